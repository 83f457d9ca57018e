// Numbers and pieces of a page in words.

export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

const percent = (value) => {
  const points = 100 * value;
  if (points > 0 && points < 0.5) return "<1 %";
  if (points < 100 && points > 99.5) return ">99 %";
  return `${Math.round(points)} %`;
};

export const words = {
  percent,
  bytes(count) {
    const units = ["B", "kB", "MB", "GB"];
    let place = 0;
    for (; count >= 1000 && place < units.length - 1; place += 1) count /= 1000;
    return `${count < 10 && place ? count.toFixed(1) : Math.round(count)} ${units[place]}`;
  },
  seconds: (value) => `${value.toFixed(1)} s`,
  classes: (label) => (label === "none" ? "none of its classes" : label.split("|").join(" and ")),
  timings(timings) {
    const told = Object.entries(timings).map(([name, value]) => `${name} ${Math.round(value)} ms`);
    return told.length ? `Time: ${told.join(", ")}.` : "";
  },
  points(change) {
    const points = Math.round(100 * change);
    if (points === 0) return "no difference";
    return `${points > 0 ? "+" : "−"}${Math.abs(points)} points`;
  },
};
