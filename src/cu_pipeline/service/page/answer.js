// What the service said of one clip, as pieces of the page.
import { element, words } from "./words.js";

const SCROLLS = 12; // classes, from which on their list scrolls

// the clip as it was sent, the frames that were looked at, and the text that was read
export function seen({ asked, answer, url }) {
  const parts = [];
  const told = [];
  const explanation = answer.explanation ?? { frames: [], screen_text: "" };
  const video = url ? player(url) : null;
  if (video) parts.push(element("div", {}, video));
  if (explanation.frames.length) {
    const frames = explanation.frames.map(({ time_s: time, jpeg }) => {
      const picture = element("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: "" });
      const button = element("button", { type: "button", "aria-label": `go to ${words.seconds(time)}` }, picture, words.seconds(time));
      button.addEventListener("click", () => {
        video.pause();
        video.currentTime = time;
      });
      return element("li", {}, button);
    });
    told.push(element("h3", {}, "Frames looked at"), element("ul", { class: "frames" }, ...frames));
  }
  if (explanation.screen_text) {
    told.push(element("h3", {}, "Text on screen"), element("p", { class: "caption", dir: "auto" }, explanation.screen_text));
  }
  if (asked.caption.trim()) {
    told.push(element("h3", {}, "Caption"), element("p", { class: "caption", dir: "auto" }, asked.caption));
  }
  return [...parts, element("div", {}, ...told)];
}

function player(url) {
  const video = element("video", { controls: "", loop: "", playsinline: "", "aria-label": "the clip" });
  video.muted = true; // the attribute alone would not silence it
  video.autoplay = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  video.addEventListener("error", () => {
    video.replaceWith(element("p", { class: "quiet" }, "This browser cannot play the clip. The service could read it."));
  });
  video.src = url;
  return video;
}

export function answerCards(said, correct) {
  const names = Object.keys(said.answer.capabilities);
  if (!names.length) return [element("p", {}, "The service recognises nothing: it has no capability.")];
  return names.map((name) => card(said, name, correct));
}

// one line that says it all, for the list of earlier answers and for screen readers
export function historyLine({ asked, answer }) {
  const told = Object.entries(answer.capabilities).map(([name, one]) => `${words.isolated(name)}: ${decision(one)}`);
  const what = asked.caption.trim() || asked.file?.name || "";
  return `${told.join("; ")} (${what.length > 60 ? `${what.slice(0, 60)}…` : what})`;
}

function decision(one) {
  if (one.applicable === false) return "does not apply";
  return one.abstained ? "no answer" : words.classes(one.label);
}

function card(said, name, correct) {
  const one = said.answer.capabilities[name];
  const about = said.capabilities[name] ?? { classes: Object.keys(one.probabilities ?? {}), kind: "single" };
  const title = element("h3", { id: `capability-${name}` }, name);
  const made = element("article", { class: "card", "aria-labelledby": `capability-${name}` }, title);
  made.append(element("p", { class: "label" }, decision(one)));
  if (one.applicable === false) {
    made.append(element("p", { class: "why quiet" }, one.reason));
    return made;
  }
  const names = one.abstained || one.label === "none" ? [] : one.label.split("|");
  made.append(element("p", { class: "why quiet" }, why(one, about, names)));
  made.append(chances(one, names));
  if (Object.keys(one.thresholds ?? {}).length) {
    made.append(element("p", { class: "quiet key-to-marks" }, "from here on a class is answered"));
  }
  if (one.prediction_set) made.append(element("p", {}, `Prediction set: ${words.list(one.prediction_set) || "empty"}.`));
  const parts = modalities(said.answer.explanation?.without?.[name], one, about, names);
  if (parts) made.append(parts);
  made.append(element("p", { class: "quiet" }, model(one, about)));
  made.append(correction(said, name, one, about, correct));
  return made;
}

function likeliest(one) {
  return Object.entries(one.probabilities).sort((a, b) => b[1] - a[1])[0];
}

function why(one, about, names) {
  const [first, chance] = likeliest(one) ?? ["", 0];
  if (one.abstained) {
    const threshold = one.thresholds[first];
    const needed = threshold === undefined ? "that is not enough" : `it answers from ${words.percent(threshold)} on`;
    return `No class is sure enough: the likeliest is ${words.isolated(first)} with ${words.percent(chance)}, and ${needed}.`;
  }
  if (about.kind === "multi") {
    if (!names.length) return "No class is over its threshold.";
    return names.length === 1 ? "It is over its threshold." : "Each is over its threshold.";
  }
  return `${words.percent(one.probabilities[one.label] ?? chance)} sure.`;
}

function chances(one, names) {
  const rows = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]);
  const items = rows.map(([name, value]) => {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${100 * value}%`;
    const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
    const threshold = one.thresholds?.[name];
    if (threshold !== undefined) {
      const mark = element("span", { class: "threshold" });
      mark.style.left = `${100 * threshold}%`;
      track.append(mark);
    }
    const item = element("li", names.includes(name) ? { class: "said" } : {});
    item.append(element("span", { class: "name", title: name }, words.isolated(name)), track, element("span", { class: "value" }, words.percent(value)));
    if (threshold !== undefined) item.append(element("span", { class: "visually-hidden" }, `threshold ${words.percent(threshold)}`));
    return item;
  });
  const list = element("ul", { class: "chances", "aria-label": "probabilities" }, ...items);
  if (items.length > SCROLLS) list.tabIndex = 0; // so that the keyboard can scroll it
  return list;
}

// how the answer would change without a part of the clip
function modalities(without, one, about, names) {
  const parts = Object.entries(without ?? {});
  if (!parts.length || !likeliest(one)) return null;
  const shown = names.length ? names : [likeliest(one)[0]];
  const tables = shown.map((name) => {
    const rows = parts
      .map(([modality, hidden]) => ({ modality, hidden, less: hidden[name], all: one.probabilities[name] }))
      .filter(({ less, all }) => less !== undefined && all !== undefined)
      .sort((a, b) => b.all - b.less - (a.all - a.less));
    const caption = element("p", { class: "quiet" }, `How likely ${words.isolated(name)} is without each part of the clip, and with it:`);
    return element("div", {}, caption, element("ul", { class: "parts" }, ...rows.map((row) => part(row, name, about))));
  });
  return element("details", { open: "" }, element("summary", {}, "What each part of the clip adds"), ...tables);
}

function part({ modality, hidden, less, all }, name, about) {
  const fill = element("span", { class: all < less ? "fill against" : "fill" });
  fill.style.left = `${100 * Math.min(all, less)}%`;
  fill.style.width = `${100 * Math.abs(all - less)}%`;
  const base = element("span", { class: "base" });
  base.style.width = `${100 * Math.min(all, less)}%`;
  const [other] = Object.entries(hidden).sort((a, b) => b[1] - a[1])[0];
  const turns = about.kind !== "multi" && other !== name ? `; without it ${words.isolated(other)} is likelier` : "";
  const told = `${words.percent(less)} → ${words.percent(all)}, ${words.points(all - less)}${turns}`;
  return element(
    "li",
    {},
    element("span", { class: "name" }, modality),
    element("span", { class: "track", "aria-hidden": "true" }, base, fill),
    element("span", { class: "told" }, told),
  );
}

function model(one, about) {
  const quality = about.quality;
  const measured = quality
    ? ` Measured: ${words.percent(quality.accuracy)} right [${words.percent(quality.low)}, ${words.percent(quality.high)}] on ${quality.clips} test clips.`
    : "";
  const role = one.role === "challenger" ? ", a challenger on trial" : "";
  return `Model ${one.model_version}${role}.${measured}`;
}

function correction(said, name, one, about, correct) {
  const form = element("form", { class: "correct", "aria-label": `correct ${name}` });
  const several = about.kind === "multi";
  const label = () => {
    if (!several) return form.querySelector("select").value;
    const chosen = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    return chosen.length ? chosen.join("|") : "none";
  };
  const given = said.corrections[name] ?? (one.abstained ? "" : one.label);
  if (several) {
    const boxes = about.classes.map((text) => {
      const box = element("input", { type: "checkbox", value: text });
      box.checked = given.split("|").includes(text);
      return element("label", {}, box, element("span", { dir: "auto" }, text));
    });
    form.append(element("span", { class: "quiet" }, "In truth:"), ...boxes);
  } else {
    const select = element("select", { "aria-label": `the right class of ${name}` });
    if (!given) select.append(element("option", { value: "", disabled: "", selected: "" }, "choose"));
    for (const text of about.classes) select.append(element("option", { value: text }, text));
    if (given) select.value = given;
    form.append(element("span", { class: "quiet" }, "In truth:"), select);
  }
  const send = element("button", { type: "submit", class: "plain" }, "Tell the service");
  const thanks = element("p", { role: "status", class: "quiet" });
  form.append(send);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const told = label();
    if (!told) {
      thanks.textContent = "Choose a class first.";
      return;
    }
    send.disabled = true;
    try {
      await correct(said, name, told);
      said.corrections[name] = told;
      thanks.className = "thanks";
      thanks.textContent = `Thank you: ${words.isolated(name)} is ${words.classes(told)}. Tell another to change it.`;
    } catch (error) {
      thanks.className = "notice";
      thanks.textContent = error.message;
    } finally {
      send.disabled = false;
    }
  });
  return element("div", {}, form, thanks);
}
