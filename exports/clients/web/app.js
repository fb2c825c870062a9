// The page: a form made from the ports of a bundle, and a canvas, texts or players that show what the model made.
//
// Beside it lie ort/ (three files of onnxruntime-web), bundles/index.json (names of folders) and bundles/NAME/ with
// bundle.json and onnx/. `open` and `shown` are exported for programs that drive the page, such as its tests.

const DIMENSIONS = 8; // sliders of a latent; the others stay where the seed puts them
const SPANS = { steps: 250, guidance: 10, temperature: 2 }; // where these sliders end, if their port goes further
const FUNCTIONS = { sample: "New examples", decode: "Latent space" };

/** What the canvas shows: {dims, data}, as the model gave it. */
export const shown = { output: null };

// --- bundles ---------------------------------------------------------------------------------------------------------

let library; // onnxruntime-web, loaded once

async function runtime() {
  library ??= import("./ort/ort.wasm.bundle.min.mjs").then((ort) => {
    ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
    ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send
    ort.env.wasm.proxy = true; // in a worker, so that the page stays alive
    return ort;
  });
  return library;
}

async function load(address) {
  const answer = await fetch(new URL(address, import.meta.url)).catch(() => ({ status: "no answer" }));
  if (!answer.ok) throw new Error(`expected a file ${address}, got ${answer.status}`);
  return answer;
}

/** Open bundles/NAME: its description, and a function that runs one of its functions on {port: {dims, data}}. */
export async function open(name) {
  const folder = `bundles/${name}`;
  const info = await (await load(`${folder}/bundle.json`)).json();
  if (info.format !== "kerasgen-bundle" || info.version !== 1) {
    throw new Error(`${folder}: expected a bundle of version 1, got version ${info.version}`);
  }
  const sessions = {};

  async function session(entry) {
    const content = await (await load(`${folder}/${entry.onnx}`)).arrayBuffer();
    // browsers have crypto.subtle on https and on this machine's own addresses
    if (globalThis.crypto?.subtle) {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      const text = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (text !== info.files[entry.onnx].sha256) throw new Error(`${folder}/${entry.onnx} is not as it was written`);
    }
    const ort = await runtime();
    return ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] });
  }

  async function run(name, given) {
    const entry = info.functions[name];
    if (!entry?.onnx) throw new Error(`${name}: expected one of ${Object.keys(info.functions).join(", ")}`);
    const feeds = {};
    const { Tensor } = await runtime();
    for (const port of entry.inputs) {
      const { dims, data } = given[port.name];
      check(port, data);
      feeds[port.name] = new Tensor(port.dtype, (port.dtype === "int32" ? Int32Array : Float32Array).from(data), dims);
    }
    sessions[name] ??= session(entry);
    sessions[name].catch(() => delete sessions[name]); // the next call tries again
    const { dims, data } = (await (await sessions[name]).run(feeds))[entry.output.name];
    return { dims, data };
  }

  return { info, run };
}

function check(port, data) {
  const whole = port.dtype === "int32";
  if (port.text && data.some((byte) => byte > 255)) throw new Error(`${port.name}: expected at most ${port.shape[1]} bytes`);
  const low = port.minimum ?? (whole ? -(2 ** 31) : -Infinity);
  const high = port.maximum ?? (whole ? 2 ** 31 - 1 : Infinity);
  const bad = Array.from(data).find((value) => !(value >= low && value <= high) || (whole && !Number.isInteger(value)));
  if (bad === undefined) return;
  const kind = whole ? "a whole number" : "a number";
  throw new Error(`${port.name}: expected ${kind} from ${low} to ${high}, got ${Number.isNaN(bad) ? "none" : bad}`);
}

// --- the form --------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function field(name, title, input, meaning, shows) {
  const label = element("label", { htmlFor: input.id }, title);
  if (shows) {
    const value = element("output", { textContent: input.value });
    input.addEventListener("input", () => (value.textContent = input.value));
    label.append(value);
  }
  const help = meaning ? [element("small", { id: `${input.id}-help`, textContent: meaning })] : [];
  if (meaning) input.setAttribute("aria-describedby", `${input.id}-help`);
  return element("div", {}, label, name === "seed" ? row(input, again(input)) : input, ...help);
}

const row = (...children) => element("div", { className: "row" }, ...children);

function again(input) {
  const button = element("button", { type: "button", textContent: "New", ariaLabel: "A new seed" });
  button.addEventListener("click", () => {
    input.value = Math.floor(Math.random() * 10000);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  return button;
}

const slider = (id, min, max, step, value) => element("input", { type: "range", id, min, max, step, value });
const number = (id, value, limits = {}) => element("input", { type: "number", id, ...limits, value });

/** Widgets for the ports of a function, and a function that reads them: {port: {dims, data}}. */
function makeFields(info, name) {
  const { inputs, output } = info.functions[name];
  const most = { vector: 1000, text: 16, sound: 16 }[info.kind] ?? 64;
  const [fields, readers] = [[], []];
  const latent = inputs.find((port) => port.name === "latent");
  const scalar = (input) => ({ dims: [], data: [input.value === "" ? NaN : Number(input.value)] });
  const rows = () => (latent ? 1 : Number($("count").value));

  if (latent) {
    const seed = number("seed", 7);
    fields.push(field("seed", "Seed", seed, "where the sliders begin, and where the other dimensions are"));
    const size = latent.shape.slice(1).reduce((a, b) => a * b, 1);
    const [low, high] = [Math.max(-3, latent.minimum ?? -3), Math.min(3, latent.maximum ?? 3)];
    let point = start(scalar(seed).data[0], size, low, high);
    const sliders = Array.from({ length: Math.min(size, DIMENSIONS) }, (_, i) => {
      const input = slider(`latent-${i}`, low, high, 0.01, point[i]);
      input.addEventListener("input", () => (point[i] = Number(input.value)));
      fields.push(field("latent", `Dimension ${i + 1}`, input, "", true));
      return input;
    });
    seed.addEventListener("change", () => {
      point = start(scalar(seed).data[0], size, low, high);
      sliders.forEach((input, i) => {
        input.value = point[i];
        input.dispatchEvent(new Event("input"));
      });
    });
    readers.push(["latent", () => ({ dims: [1, ...latent.shape.slice(1)], data: point })]);
  }
  for (const port of inputs.filter((port) => port !== latent)) {
    const title = port.name[0].toUpperCase() + port.name.slice(1).replaceAll("_", " ");
    let [input, meaning, shows] = [null, port.meaning, true];
    if (port.name === "seed") [input, shows] = [number("seed", 7), false];
    else if (port.name === "count") input = slider("count", 1, most, 1, most === 1000 ? 500 : most / 4);
    else if (port.text) [input, shows] = [element("input", { id: port.name, maxLength: port.shape[1] }), false];
    else if (port.name === "label") {
      const names = info.data?.class_names ?? Array.from({ length: port.maximum + 1 }, (_, i) => String(i));
      const options = names.map((text, value) => element("option", { value, textContent: text }));
      if (port.minimum < 0) options.unshift(element("option", { value: -1, textContent: "drawn from the seed" }));
      input = element("select", { id: "label" }, ...options);
      [meaning, shows] = ["", false];
    } else {
      const span = Math.max(SPANS[port.name] ?? 1, port.default ?? 0);
      const step = port.dtype === "int32" ? 1 : 0.05;
      input = slider(port.name, port.minimum ?? -span, Math.min(span, port.maximum ?? span), step, port.default ?? 0);
    }
    fields.push(field(port.name, title, input, meaning, shows));
    const all = () => ({ dims: [rows()], data: Array(rows()).fill(Number(input.value)) });
    const written = () => ({ dims: [rows(), port.shape[1]], data: Array(rows()).fill(words(input.value, port)).flat() });
    readers.push([port.name, () => (port.text ? written() : port.shape.length ? all() : scalar(input))]);
  }
  $("fields").replaceChildren(...fields);
  return () => Object.fromEntries(readers.map(([port, value]) => [port, value()]));
}

/** The bytes of a text, zeros after its end; a text that is too long is one that `check` refuses. */
function words(value, port) {
  const bytes = [...new TextEncoder().encode(value)];
  return bytes.length > port.shape[1] ? [256] : [...bytes, ...Array(port.shape[1] - bytes.length).fill(0)];
}

/** A point of the latent space: normal numbers from a small generator of this page. */
export function start(seed, size, low, high) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: size }, () => Math.round(100 * Math.min(high, Math.max(low, normal()))) / 100);
}

/** Whether a form can ask for this function: it starts from numbers, not from pictures, and gives what can be drawn. */
function offered(info, name) {
  const entry = info.functions[name];
  const known = ["seed", "count", "label", "latent", "steps", "temperature", "top_k", "top_p", "guidance", "truncation", "strength", "text"];
  const { shape } = entry?.output ?? {};
  const heard = shape?.length === 2 && ["text", "sound"].includes(info.kind);
  const drawn = heard || shape && ((shape.length === 4 && [1, 3].includes(shape[3])) || (shape.length === 2 && shape[1] === 2));
  return Boolean(entry?.onnx && drawn && entry.inputs.every((port) => known.includes(port.name)));
}

// --- the canvas ------------------------------------------------------------------------------------------------------

/** Show texts as they are written and sounds as players, both with their number. */
function showEach({ dims, data }, { kind, sample_rate: rate }) {
  const [count, length] = dims;
  const row = (i) => data.slice(i * length, (i + 1) * length);
  const letters = (i) => new TextDecoder().decode(Uint8Array.from(row(i))).replace(/\0+$/, "");
  const address = (i) => URL.createObjectURL(new Blob([wav(row(i), rate)], { type: "audio/wav" }));
  for (const player of $("others").querySelectorAll("audio")) URL.revokeObjectURL(player.src);
  const made = Array.from({ length: count }, (_, i) =>
    kind === "text"
      ? element("pre", { textContent: letters(i) })
      : element("audio", { controls: true, src: address(i), ariaLabel: `sound ${i}` }),
  );
  $("others").replaceChildren(...made);
}

/** A sound in [-1, 1] as the bytes of a WAV file. */
export function wav(sound, rate) {
  const file = new DataView(new ArrayBuffer(44 + 2 * sound.length));
  const write = (place, letters) => [...letters].forEach((c, i) => file.setUint8(place + i, c.charCodeAt(0)));
  const numbers = [[4, 36 + 2 * sound.length], [16, 16], [24, rate], [28, 2 * rate], [40, 2 * sound.length]];
  write(0, "RIFF....WAVEfmt ");
  write(36, "data");
  for (const [place, value] of numbers) file.setUint32(place, value, true);
  for (const [place, value] of [[20, 1], [22, 1], [32, 2], [34, 16]]) file.setUint16(place, value, true);
  sound.forEach((value, i) => file.setInt16(44 + 2 * i, Math.round(32767 * Math.min(1, Math.max(-1, value))), true));
  return file.buffer;
}

/** Draw pictures (N, H, W, 1 or 3) in a grid, or points (N, 2) in the plane. */
function draw({ dims, data }) {
  const canvas = $("canvas");
  const context = canvas.getContext("2d");
  if (dims.length === 2) return drawPoints(canvas, context, data);
  const [count, height, width, channels] = dims;
  const [columns, gap] = [Math.ceil(Math.sqrt(count)), count > 1 ? 4 : 0];
  const scale = Math.max(1, Math.floor((560 / columns - gap) / Math.max(height, width)));
  canvas.width = columns * (width * scale + gap) - gap;
  canvas.height = Math.ceil(count / columns) * (height * scale + gap) - gap;
  for (let i = 0; i < count; i++) {
    const picture = new ImageData(width * scale, height * scale);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const from = ((i * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        const to = (y * width * scale + x) * 4;
        // ImageData clamps to 0 and 255
        for (let c = 0; c < 3; c++) picture.data[to + c] = Math.floor(255 * data[from + (c % channels)] + 0.5);
        picture.data[to + 3] = 255;
      }
    }
    const [left, top] = [(i % columns) * (width * scale + gap), Math.floor(i / columns) * (height * scale + gap)];
    context.putImageData(picture, left, top);
  }
  canvas.ariaLabel = count === 1 ? "a picture that the model made" : `${count} pictures that the model made`;
}

function drawPoints(canvas, context, data) {
  const side = (canvas.width = canvas.height = 480);
  const limit = Math.max(3, Math.ceil(data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));
  const place = (value) => ((value / limit + 1) / 2) * side;
  const style = getComputedStyle(document.body);
  context.strokeStyle = style.getPropertyValue("color");
  context.globalAlpha = 0.25;
  context.strokeRect(0.5, 0.5, side - 1, side - 1);
  context.beginPath();
  context.moveTo(side / 2, 0);
  context.lineTo(side / 2, side);
  context.moveTo(0, side / 2);
  context.lineTo(side, side / 2);
  context.stroke();
  context.globalAlpha = 0.6;
  context.fillStyle = style.accentColor;
  for (let i = 0; i < data.length; i += 2) {
    context.beginPath();
    context.arc(place(data[i]), place(-data[i + 1]), data.length > 20 ? 2.5 : 6, 0, 2 * Math.PI);
    context.fill();
  }
  canvas.ariaLabel = `${data.length / 2} points that the model made, on axes from -${limit} to ${limit}`;
}

// --- the page --------------------------------------------------------------------------------------------------------

let [bundle, read, current] = [null, null, "sample"];
let [busy, waiting] = [false, false];

function fail(error) {
  $("error").textContent = String(error.message ?? error).replace(/\s+/g, " ").slice(0, 300);
  $("error").hidden = false;
  $("status").textContent = shown.output ? "Nothing new was drawn." : "Nothing was drawn.";
  document.body.dataset.state = "failed";
}

/** Run the model on what the form says; a change during a run starts another one after it. */
async function update() {
  waiting = true;
  if (busy) return;
  busy = true;
  while (waiting) {
    waiting = false;
    document.body.dataset.state = "busy";
    $("status").textContent = "Drawing …";
    try {
      const [{ run }, name] = [bundle, current];
      const inputs = read();
      const began = performance.now();
      const output = await run(name, inputs);
      if (waiting) continue; // the form has moved on
      const seconds = (performance.now() - began) / 1000;
      shown.output = output;
      const each = ["text", "sound"].includes(bundle.info.kind);
      [$("canvas").hidden, $("others").hidden] = [each, !each];
      if (each) showEach(output, bundle.info);
      else draw(output);
      const what = bundle.info.kind === "vector" ? "point" : bundle.info.kind;
      const many = `${output.dims[0]} ${what}${output.dims[0] === 1 ? "" : "s"}`;
      const time = seconds < 1 ? `${Math.ceil(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
      $("status").textContent = `${many} in ${time}`;
      $("error").hidden = true;
      document.body.dataset.state = "done";
    } catch (error) {
      fail(error);
    }
  }
  busy = false;
}

async function choose(name) {
  document.body.dataset.state = "busy";
  try {
    const opened = await open(name);
    if ($("model").value !== name) return; // another one was chosen meanwhile
    bundle = opened;
    const { info } = bundle;
    const names = Object.keys(FUNCTIONS).filter((function_) => offered(info, function_));
    if (!names.length) throw new Error(`${name}: expected a model with sample or decode in ONNX`);
    $("about").textContent = [info.title, info.paper].filter(Boolean).join(". ");
    const choices = names.map((value) => {
      const input = element("input", { type: "radio", name: "function", value });
      return element("label", {}, input, FUNCTIONS[value]);
    });
    $("functions").replaceChildren(...choices);
    $("functions").hidden = names.length < 2;
    show(names.includes(current) ? current : names[0]);
  } catch (error) {
    fail(error);
  }
}

function show(name) {
  current = name;
  for (const input of $("functions").querySelectorAll("input")) input.checked = input.value === name;
  read = makeFields(bundle.info, name);
  update();
}

async function begin() {
  try {
    const names = await (await load("bundles/index.json")).json();
    if (!names.length) throw new Error("expected bundles in bundles/index.json, got none");
    $("model").replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    const asked = decodeURIComponent(location.hash.slice(1));
    if (names.includes(asked)) $("model").value = asked;
    $("form").hidden = false;
    $("form").addEventListener("submit", (event) => {
      event.preventDefault();
      update();
    });
    $("form").addEventListener("change", ({ target }) => {
      if (target.id === "model") {
        history.replaceState(null, "", `#${encodeURIComponent(target.value)}`); // so that a model can be linked to
        choose(target.value);
      } else if (target.name === "function") show(target.value);
      else update();
    });
    $("form").addEventListener("input", ({ target }) => {
      if (target.id.startsWith("latent-")) update(); // decoding is fast enough to follow the hand
    });
    await choose($("model").value);
  } catch (error) {
    fail(error);
  }
}

begin();
