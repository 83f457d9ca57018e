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

// of refused clips, by the service's codes; what it says itself is shown beside
const REASONS = {
  empty: "The file is empty. Choose another, or copy it here again.",
  not_media: "This file is not a video that can be read. Choose another, such as MP4, WebM or MOV.",
  no_video: "There is no picture in this file. Choose a video, or send its caption alone.",
  no_frames: "No picture of this video can be read. Encode it again, such as to MP4.",
  truncated: "A part of this video is missing. Copy or download it again.",
  too_long: "The video is too long. Cut it.",
  too_large: "The video is too large. Cut it, or encode it smaller.",
  too_many_pixels: "The video's pictures are too large. Scale it down.",
  timeout: "Reading this video took too long. Encode it again, shorter or smaller.",
  crashed: "Reading this video failed. Encode it again, such as to MP4.",
};

// keeps a name of another writing direction from turning what is around it
const isolated = (name) => (/^[ -~]*$/.test(name) ? name : `\u2068${name}\u2069`);

export const words = {
  isolated,
  reason: (code) => REASONS[code] ?? "",
  percent,
  bytes(count) {
    const units = ["B", "kB", "MB", "GB"];
    let place = 0;
    for (; count >= 1000 && place < units.length - 1; place += 1) count /= 1000;
    return `${count < 10 && place ? count.toFixed(1) : Math.round(count)} ${units[place]}`;
  },
  seconds: (value) => `${value.toFixed(1)} s`,
  list: (names) => names.map(isolated).join(", "),
  classes: (label) => (label === "none" ? "none of its classes" : label.split("|").map(isolated).join(" and ")),
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
