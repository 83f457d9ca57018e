// The page of the service: asks it about a clip, shows what it said, and takes a correction.
import { answerCards, historyLine, seen } from "./answer.js";
import { element, words } from "./words.js";

const KEY = "cu-pipeline-key";
const MOST_EARLIER = 20;

const at = (id) => document.getElementById(id);
const state = { file: null, request: null, capabilities: null, mostBytes: Infinity, earlier: [] };

function headers() {
  const key = at("key").value.trim();
  return key ? { "X-Api-Key": key } : {};
}

async function reach(address, options = {}) {
  try {
    return await fetch(address, { ...options, headers: { ...options.headers, ...headers() } });
  } catch {
    throw new Error("The service cannot be reached. Is it running, and is this page still open on it?");
  }
}

async function fetched(address, options = {}) {
  const answer = await reach(address, options);
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body) throw refusal(answer.status, body);
  return body;
}

function refusal(status, body) {
  const error = new Error(body?.error ?? `What answered is not the service: status ${status}, and no JSON that it would send. Is a proxy in the way?`);
  const reason = status === 422 ? words.reason(body?.reason) : "";
  return Object.assign(error, { status, reason, detail: body?.detail ?? [], id: body?.request_id ?? "" });
}

function showError(error) {
  const box = at("error");
  const parts = [element("p", {}, error.reason || error.message)];
  if (error.reason) parts.push(element("p", { class: "quiet" }, `The service says: ${error.message}`));
  for (const one of (error.detail ?? []).slice(1)) parts.push(element("p", {}, `${one.loc.join(".")}: ${one.msg}`));
  if (error.status === 401 || error.status === 403) at("key-row").hidden = false;
  if (error.status === 401) at("key").focus();
  if (error.id) parts.push(element("p", { class: "quiet" }, `Request ${error.id}`));
  box.replaceChildren(...parts);
  box.hidden = false;
}

function choose(file, sample = null) {
  state.file = file;
  at("error").hidden = true;
  at("chosen").hidden = !file;
  if (file) at("chosen-name").textContent = `${file.name}, ${words.bytes(file.size)}`;
  for (const button of at("sample-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.file === sample));
  }
  if (!file || sample) at("video").value = "";
}

async function loadCapabilities() {
  const told = await fetched("capabilities");
  state.capabilities = told.capabilities;
  state.mostBytes = told.max_body_bytes;
}

// a promotion may have changed them since the page was opened; an answer is shown also where they cannot be asked for
async function capabilitiesOf(answer) {
  const changed = ([name, one]) => state.capabilities?.[name]?.model_version !== one.model_version;
  if (Object.entries(answer.capabilities).some(changed)) await loadCapabilities().catch(() => {});
  return state.capabilities ?? {};
}

async function loadSamples() {
  const { samples } = await fetched("samples");
  at("samples").hidden = samples.length === 0;
  at("sample-list").replaceChildren(
    ...samples.map((one) => {
      const button = element("button", { type: "button", "aria-pressed": "false" }, one.caption || one.file);
      button.dataset.file = one.file;
      button.addEventListener("click", () => chooseSample(one));
      return element("li", {}, button);
    }),
  );
}

async function chooseSample(one) {
  try {
    const answer = await reach(`samples/${encodeURIComponent(one.file)}`);
    if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
    const content = await answer.blob();
    at("caption").value = one.caption;
    choose(new File([content], one.file, { type: content.type }), one.file);
  } catch (error) {
    showError(error);
  }
}

// XMLHttpRequest, since fetch does not tell how much of an upload has gone
function upload(form) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", "classify");
    request.responseType = "json";
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      const sent = event.loaded / event.total;
      if (sent < 1) at("bar").value = sent;
      else at("bar").removeAttribute("value");
      at("doing").textContent = sent < 1 ? `Sending, ${Math.floor(100 * sent)} %` : "Looking at it…";
    });
    request.addEventListener("load", () =>
      request.status === 200 && request.response?.capabilities ? resolve(request.response) : reject(refusal(request.status, request.response)),
    );
    request.addEventListener("error", () => reject(new Error("The connection broke. Is the service running? It may also have refused the clip before all of it was there.")));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    request.send(form);
  });
  return { request, done };
}

function working(on) {
  at("send").disabled = on;
  at("cancel").hidden = !on;
  at("progress").hidden = !on;
  if (on) {
    at("bar").removeAttribute("value");
    at("doing").textContent = "Looking at it…";
  }
}

async function ask(event) {
  event.preventDefault();
  if (state.request) return;
  const asked = { file: state.file, caption: at("caption").value, creator: at("creator").value.trim() };
  at("error").hidden = true;
  if (!asked.file && !asked.caption.trim()) {
    showError(new Error("Choose a clip, write its caption, or both."));
    at("caption").focus();
    return;
  }
  if (asked.file?.size > state.mostBytes) {
    showError(new Error(`The clip has ${words.bytes(asked.file.size)}; the service takes at most ${words.bytes(state.mostBytes)}. Cut it, or encode it smaller.`));
    return;
  }
  const form = new FormData();
  form.append("caption", asked.caption);
  form.append("explain", "true");
  if (asked.creator) form.append("creator", asked.creator);
  if (asked.file) form.append("video", asked.file, asked.file.name);
  working(true);
  try {
    const sent = upload(form);
    state.request = sent.request;
    const answer = await sent.done;
    const url = asked.file && URL.createObjectURL(asked.file);
    const said = { asked, answer, url, capabilities: await capabilitiesOf(answer), corrections: {} };
    state.earlier.unshift(said);
    for (const old of state.earlier.splice(MOST_EARLIER)) if (old.url) URL.revokeObjectURL(old.url);
    show(said);
  } catch (error) {
    if (error.name !== "AbortError") showError(error);
  } finally {
    state.request = null;
    working(false);
  }
}

function show(said) {
  at("empty").hidden = true;
  at("result").hidden = false;
  at("seen").className = said.asked.file ? "" : "text-only";
  at("seen").replaceChildren(...seen(said));
  at("capabilities").replaceChildren(...answerCards(said, correct));
  const { timings, request_id: id, service_version: version } = said.answer;
  at("about").textContent = `${words.timings(timings)} Request ${id}, service ${version}.`;
  at("told").textContent = historyLine(said);
  at("history").hidden = state.earlier.length < 2;
  at("history-list").replaceChildren(
    ...state.earlier.map((one) => {
      const button = element("button", { type: "button", class: "link" }, historyLine(one));
      button.addEventListener("click", () => {
        show(one);
        at("answer").focus();
      });
      return element("li", one === said ? { "aria-current": "true" } : {}, button);
    }),
  );
  if (window.matchMedia("(max-width: 46rem)").matches) at("answer").scrollIntoView();
}

function correct(said, capability, label) {
  const body = JSON.stringify({ request_id: said.answer.request_id, capability, label });
  return fetched("feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

function start() {
  at("key").value = sessionStorage.getItem(KEY) ?? "";
  at("key").addEventListener("change", () => {
    sessionStorage.setItem(KEY, at("key").value.trim());
    at("error").hidden = true;
    load();
  });
  at("video").addEventListener("change", () => choose(at("video").files[0] ?? null));
  at("remove").addEventListener("click", () => {
    choose(null);
    at("video").focus();
  });
  at("ask").addEventListener("submit", ask);
  at("caption").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
  });
  at("cancel").addEventListener("click", () => state.request?.abort());
  const drop = at("drop");
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) choose(file);
    at("video").value = "";
  });
  load();
}

function load() {
  loadSamples().catch(() => {}); // the page does without
  loadCapabilities().catch((error) => {
    if (error.status === 401) at("key-row").hidden = false;
    else showError(error);
  });
}

start();
