// What the service said of one clip, as pieces of the page.
import { element, words } from "./words.js";

// the clip as it was sent, the frames that were looked at, and the text that was read
export function seen({ asked, answer }) {
  const parts = [];
  const told = [];
  const explanation = answer.explanation ?? { frames: [], screen_text: "" };
  let video = null;
  if (asked.file) {
    video = element("video", { controls: "", muted: "", loop: "", playsinline: "", "aria-label": "the clip" });
    video.src = URL.createObjectURL(asked.file);
    parts.push(video);
  }
  if (explanation.frames.length) {
    told.push(element("h3", {}, "Frames looked at"));
    const frames = explanation.frames.map(({ time_s: time, jpeg }) => {
      const picture = element("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: "" });
      const button = element("button", { type: "button", "aria-label": `go to ${words.seconds(time)}` }, picture, words.seconds(time));
      button.addEventListener("click", () => {
        video.pause();
        video.currentTime = time;
      });
      return element("li", {}, button);
    });
    told.push(element("ul", { class: "frames" }, ...frames));
  }
  if (explanation.screen_text) {
    told.push(element("h3", {}, "Text on screen"), element("p", { class: "caption", dir: "auto" }, explanation.screen_text));
  }
  if (asked.caption.trim()) {
    told.push(element("h3", {}, "Caption"), element("p", { class: "caption", dir: "auto" }, asked.caption));
  }
  return [...parts, element("div", {}, ...told)];
}

export function answerCards(said, correct) {
  const names = Object.keys(said.answer.capabilities);
  if (!names.length) return [element("p", {}, "The service recognises nothing: it has no capability.")];
  return names.map((name) => card(said, name, correct));
}

// one line that says it all, for the list of earlier answers and for screen readers
export function historyLine({ asked, answer }) {
  const told = Object.entries(answer.capabilities).map(([name, one]) => `${name}: ${decision(one)}`);
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
  made.append(element("p", { class: "label", dir: "auto" }, decision(one)));
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
  const parts = modalities(said.answer.explanation?.without?.[name], one, names);
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
  const set = one.prediction_set?.length ? ` It may be: ${one.prediction_set.join(", ")}.` : "";
  if (one.abstained) {
    const threshold = one.thresholds[first];
    const needed = threshold === undefined ? "it is not sure enough" : `it answers from ${words.percent(threshold)} on`;
    return `No class is sure enough: the likeliest is ${first} with ${words.percent(chance)}, and ${needed}.${set}`;
  }
  if (about.kind === "multi") {
    return (names.length ? "Each class that is over its threshold holds." : "No class is over its threshold.") + set;
  }
  return `${words.percent(one.probabilities[one.label] ?? chance)} sure.${set}`;
}

function chances(one, names) {
  const rows = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]);
  const items = rows.map(([name, value]) => {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${100 * value}%`;
    const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
    const threshold = one.thresholds?.[name];
    let told = words.percent(value);
    if (threshold !== undefined) {
      const mark = element("span", { class: "threshold" });
      mark.style.left = `${100 * threshold}%`;
      track.append(mark);
    }
    const item = element("li", names.includes(name) ? { class: "said" } : {});
    item.append(element("span", { class: "name", dir: "auto", title: name }, name), track, element("span", { class: "value" }, told));
    if (threshold !== undefined) item.append(element("span", { class: "visually-hidden" }, `threshold ${words.percent(threshold)}`));
    return item;
  });
  return element("ul", { class: "chances", tabindex: items.length > 12 ? "0" : "-1", "aria-label": "probabilities" }, ...items);
}

// how the answer would change without a part of the clip
function modalities(without, one, names) {
  const parts = Object.entries(without ?? {});
  if (!parts.length) return null;
  const shown = names.length ? names : [likeliest(one)[0]];
  const rows = parts.flatMap(([modality, hidden]) =>
    shown.map((name) => {
      const [all, less] = [one.probabilities[name], hidden[name]];
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, modality),
        element("td", { dir: "auto" }, name),
        element("td", { class: "number" }, words.percent(less)),
        element("td", { class: "number" }, words.percent(all)),
        element("td", { class: "number" }, words.points(all - less)),
      );
    }),
  );
  const columns = ["part", "class", "without it", "with it", "it adds"].map((text, place) =>
    element("th", place > 1 ? { scope: "col", class: "number" } : { scope: "col" }, text),
  );
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...columns)), element("tbody", {}, ...rows));
  return element("details", {}, element("summary", {}, "What each part of the clip adds"), table);
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
      thanks.textContent = `Thank you: ${name} is ${words.classes(told)}. Tell it again to change that.`;
    } catch (error) {
      thanks.className = "notice";
      thanks.textContent = error.status ? error.message : "The service cannot be reached.";
    } finally {
      send.disabled = false;
    }
  });
  return element("div", {}, form, thanks);
}
