// The page: a form made from the ports of a bundle, and a canvas, texts or players that show what the model made.
//
// Beside it lie boxes.js (the editor of layouts), ort/ (three files of onnxruntime-web), bundles/index.json (names of
// folders) and bundles/NAME/ with bundle.json and onnx/. `open` and `shown` are exported for programs that drive the
// page, such as its tests.

import { boxes } from "./boxes.js";

const DIMENSIONS = 8; // sliders of a latent; the others stay where the seed puts them
const FUNCTIONS = {
  sample: "New examples",
  decode: "Latent space",
  reconstruct: "Reconstruct",
  translate: "Translate",
  refine: "Refine",
  complete: "Complete",
  upscale: "Upscale",
  colorize: "Colour",
  denoise: "Denoise",
};
const EXAMPLES = ["picture", "x"]; // inputs that are examples: of the model itself, or strokes that the page draws
const ROWS = ["mask", "noise_level"]; // inputs with a row for each example that one slider stands for

/** What the page shows: {dims, data}, as the model gave it; `before` is what it was made of, if it was examples. */
export const shown = { output: null, before: null };

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
  const looks = inputs.find((port) => EXAMPLES.includes(port.name));
  const rows = () => (latent ? 1 : Number($("count").value));
  const count = (value) => slider("count", 1, most, 1, value);
  const seeds = (meaning) => fields.push(field("seed", "Seed", number("seed", 7), meaning, false));

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
  if (looks) {
    const own = Boolean(info.functions.sample?.onnx);
    if (!inputs.some((port) => port.name === "seed")) seeds(own ? "which of the model's own examples" : "which strokes");
    fields.push(field("count", "Count", count(8), "how many examples", true));
    // of the model itself, with what its sampler takes beside a seed left at its defaults
    const sampler = own && info.functions.sample.inputs;
    const said = info.data?.descriptions?.[0];
    const filled = (port) => {
      if (port.name === "count") return scalar($("count"));
      if (port.name === "seed") return scalar($("seed"));
      if (port.text) return written(port, said ?? "");
      if (port.name === "layout") return repeated(port, padded(port, said ?? []).flat());
      return port.shape.length ? repeated(port, [port.default ?? 0]) : { dims: [], data: [port.default ?? 0] };
    };
    const given = () => Object.fromEntries(sampler.map((port) => [port.name, filled(port)]));
    const size = [rows, ...looks.shape.slice(1)];
    const draw = async ({ run }) => (own ? run("sample", given()) : strokes(rows(), Number($("seed").value), size.slice(1)));
    readers.push([looks.name, async (bundle) => within(looks, await draw(bundle))]);
  }
  const repeated = (port, row) => ({ dims: [rows(), ...port.shape.slice(1)], data: Array(rows()).fill(row).flat() });
  const written = (port, value) => repeated(port, words(value, port));
  for (const port of inputs.filter((port) => port !== latent && port !== looks)) {
    const title = port.name[0].toUpperCase() + port.name.slice(1).replaceAll("_", " ");
    let [input, meaning, shows] = [null, port.meaning, true];
    if (port.name === "seed") [input, shows] = [number("seed", 7), false];
    else if (port.name === "count") input = count(most === 1000 ? 500 : most / 4);
    else if (port.text) {
      const value = info.data?.descriptions?.[0] ?? "";
      [input, shows] = [element("input", { id: port.name, maxLength: port.shape[1], value }), false];
    } else if (port.name === "layout") {
      let drawn = info.data?.descriptions?.[0] ?? [];
      fields.push(layout(info, port, (rows) => (drawn = rows)));
      readers.push([port.name, () => repeated(port, padded(port, drawn).flat())]);
      continue;
    } else if (port.name === "mask") {
      [input, meaning] = [slider("mask", 0, 1, 0.05, 0.5), "the hole: a share of both sides, in the middle"];
    } else if (port.name === "noise_level") input = slider("noise_level", 0, 2, 0.05, 0.3);
    else if (port.name === "label") {
      const names = info.data?.class_names ?? Array.from({ length: port.maximum + 1 }, (_, i) => String(i));
      const options = names.map((text, value) => element("option", { value, textContent: text }));
      if (port.minimum < 0) options.unshift(element("option", { value: -1, textContent: "drawn from the seed" }));
      // Pictures that are translated are mostly of the first domain: it shows nothing to lead them there.
      if (name === "translate" && options.length > 1) options[1].selected = true;
      input = element("select", { id: "label" }, ...options);
      [meaning, shows] = ["", false];
    } else {
      const span = Math.max(port.span ?? port.maximum ?? Math.max(100, 5 * (port.default ?? 0)), port.default ?? 0);
      const step = port.dtype === "int32" ? 1 : 0.05;
      input = slider(port.name, port.minimum ?? -span, Math.min(span, port.maximum ?? span), step, port.default ?? 0);
    }
    fields.push(field(port.name, title, input, meaning, shows));
    const value = () => {
      if (port.text) return written(port, input.value);
      if (port.name === "mask") return repeated(port, hole(Number(input.value), port.shape.slice(1, 3)));
      return port.shape.length ? repeated(port, [Number(input.value)]) : scalar(input);
    };
    readers.push([port.name, value]);
  }
  $("fields").replaceChildren(...fields);
  return async (bundle) => {
    const given = {};
    for (const [port, value] of readers) given[port] = await value(bundle);
    if (looks && given.mask) given[looks.name] = emptied(given[looks.name], given.mask);
    if (looks && given.noise_level) given[looks.name] = noisy(given[looks.name], given.noise_level.data[0], Number($("seed").value));
    return { given, before: looks ? given[looks.name] : null };
  };
}

/** The editor of a layout, as a field of the form. */
function layout(info, port, changed) {
  const known = info.data?.descriptions ?? [];
  const classes = Math.max(9, ...known.flat().map(([kind]) => kind)) + 1;
  const names = info.data?.class_names?.length ? info.data.class_names : Array.from({ length: classes }, (_, i) => String(i));
  const board = element("div", {});
  const [height, width] = info.image_shape;
  const about = { rows: known[0] ?? [], most: port.shape[1], names, ratio: height / width };
  boxes(board, about, (rows) => {
    changed(rows);
    update();
  });
  return element("div", {}, element("label", {}, "Layout"), board);
}

/** The rows of a layout, with rows of no object up to the number that the port has. */
const padded = (port, rows) => [...rows, ...Array(port.shape[1] - rows.length).fill([-1, 0, 0, 0, 0])];

/** Examples within the range that a port takes. */
function within({ minimum, maximum }, { dims, data }) {
  return { dims, data: Float32Array.from(data, (value) => Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, value))) };
}

/** 1 in a box in the middle of a picture, 0 around it. */
function hole(share, [height, width]) {
  const inside = (i, size) => Math.abs(i + 0.5 - size / 2) < (share * size) / 2;
  return Array.from({ length: height * width }, (_, i) => Number(inside(Math.floor(i / width), height) && inside(i % width, width)));
}

/** Pictures that are grey where a mask is 1. */
function emptied({ dims, data }, mask) {
  return { dims, data: data.map((value, i) => (mask.data[Math.floor(i / dims[3])] ? 0.5 : value)) };
}

function noisy({ dims, data }, level, seed) {
  const normal = normals(seed + 1);
  return { dims, data: data.map((value) => value + level * normal()) };
}

/** Pictures to begin with where the model draws none: three bright lines on black each, of a seed and their index. */
export function strokes(count, seed, [height, width, channels]) {
  const data = new Float32Array(count * height * width * channels);
  const side = Math.max(height, width);
  for (let n = 0; n < count; n++) {
    const uniform = uniforms(7919 * seed + n);
    const points = Array.from({ length: 4 }, () => [(0.15 + 0.7 * uniform()) * height, (0.15 + 0.7 * uniform()) * width]);
    for (let k = 0; k < 3; k++) {
      const [[top, left], [bottom, right]] = [points[k], points[k + 1]];
      const colour = Array.from({ length: channels }, () => (channels > 1 ? 0.5 + uniform() / 2 : 1));
      const [down, across] = [bottom - top, right - left];
      for (let i = 0; i < height * width; i++) {
        const [y, x] = [Math.floor(i / width) + 0.5 - top, (i % width) + 0.5 - left];
        const along = Math.min(1, Math.max(0, (y * down + x * across) / (down ** 2 + across ** 2 + 1e-9)));
        const far = Math.hypot(y - along * down, x - along * across) / side;
        const bright = Math.min(1, Math.max(0, 1.5 - far / 0.08));
        const at = (n * height * width + i) * channels;
        for (let c = 0; c < channels; c++) data[at + c] = Math.max(data[at + c], bright * colour[c]);
      }
    }
  }
  return { dims: [count, height, width, channels], data };
}

/** The bytes of a text, zeros after its end; a text that is too long is one that `check` refuses. */
function words(value, port) {
  const bytes = [...new TextEncoder().encode(value)];
  return bytes.length > port.shape[1] ? [256] : [...bytes, ...Array(port.shape[1] - bytes.length).fill(0)];
}

/** A small generator of this page: numbers from 0 to 1, one for each call. */
function uniforms(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A point of the latent space: normal numbers from a small generator of this page. */
export function start(seed, size, low, high) {
  const normal = normals(seed);
  return Array.from({ length: size }, () => Math.round(100 * Math.min(high, Math.max(low, normal()))) / 100);
}

/** Whether a form can ask for this function, and the page show what it gives. */
function offered(info, name) {
  const entry = info.functions[name];
  const known = ["label", "latent", "text", "layout", ...ROWS, ...(pictured(info.image_shape) ? EXAMPLES : [])];
  const { shape } = entry?.output ?? {};
  const heard = shape?.length === 2 && ["text", "sound"].includes(info.kind);
  const drawn = heard || pictured(shape?.slice(1)) || (shape?.length === 2 && shape[1] === 2);
  const asked = ({ name, shape }) => !shape.length || known.includes(name) || (name === "code" && shape[1] === 1);
  return Boolean(entry?.onnx && drawn && entry.inputs.every(asked));
}

const pictured = (shape) => shape?.length === 3 && [1, 3].includes(shape[2]);

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

/** Draw pictures (N, H, W, 1 or 3) in a grid, or below those that they were made of, or points (N, 2) in the plane. */
function draw(made, before) {
  const paired = before && String(before.dims) === String(made.dims);
  const most = paired ? Math.min(made.dims[0], 8) : 0; // a row of each
  const part = ({ dims: [count, ...size], data }, first) => data.slice((first * data.length) / count, ((first + most) * data.length) / count);
  let { dims, data } = made;
  if (paired) {
    const rows = [];
    for (let first = 0; first < dims[0]; first += most) rows.push(...part(before, first), ...part(made, first));
    [dims, data] = [[2 * dims[0], ...dims.slice(1)], rows];
  }
  const canvas = $("canvas");
  const context = canvas.getContext("2d");
  if (dims.length === 2) return drawPoints(canvas, context, data);
  const [count, height, width, channels] = dims;
  const [columns, gap] = [most || Math.ceil(Math.sqrt(count)), count > 1 ? 4 : 0];
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
    if (!bundle) break; // none could be opened
    document.body.dataset.state = "busy";
    const since = performance.now();
    const say = () => ($("status").textContent = `Drawing … ${Math.floor((performance.now() - since) / 1000) || ""}`.trim());
    say();
    const ticking = setInterval(say, 1000);
    const [{ run }, name, opened] = [bundle, current, bundle];
    try {
      const began = performance.now();
      const { given, before } = await read(bundle);
      const output = await run(name, given);
      if (waiting || bundle !== opened) continue; // the form has moved on
      const seconds = (performance.now() - began) / 1000;
      [shown.output, shown.before] = [output, before];
      const each = ["text", "sound"].includes(bundle.info.kind);
      [$("canvas").hidden, $("others").hidden] = [each, !each];
      if (each) showEach(output, bundle.info);
      else draw(output, before);
      const what = bundle.info.kind === "vector" ? "point" : bundle.info.kind;
      const many = `${output.dims[0]} ${what}${output.dims[0] === 1 ? "" : "s"}`;
      const below = before && String(before.dims) === String(output.dims) ? ", each below what it was made of," : "";
      const time = seconds < 1 ? `${Math.ceil(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
      $("status").textContent = `${many}${below} in ${time}`;
      $("error").hidden = true;
      document.body.dataset.state = "done";
    } catch (error) {
      if (bundle === opened) fail(error); // else another model was chosen meanwhile
    } finally {
      clearInterval(ticking);
    }
  }
  busy = false;
}

/** Take away what belongs to the last model. */
function clear() {
  [bundle, shown.output, shown.before] = [null, null, null];
  for (const id of ["fields", "functions", "others"]) $(id).replaceChildren();
  for (const id of ["about", "status"]) $(id).textContent = "";
  $("canvas").width = $("canvas").height = 1;
  $("canvas").ariaLabel = "nothing drawn yet";
  $("functions").hidden = $("draw").disabled = true;
}

async function choose(name) {
  document.body.dataset.state = "busy";
  clear();
  try {
    const opened = await open(name);
    if ($("model").value !== name) return; // another one was chosen meanwhile
    bundle = opened;
    const { info } = bundle;
    const names = Object.keys(FUNCTIONS).filter((function_) => offered(info, function_));
    if (!names.length) {
      const shape = info.image_shape.join(" x ");
      throw new Error(`${name}: this page shows pictures, points, texts and sounds; its examples are ${info.kind}s of ${shape}`);
    }
    $("draw").disabled = false;
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
