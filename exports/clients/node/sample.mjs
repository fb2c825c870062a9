// Run a bundle in Node: any function, with the ports, defaults and files that its bundle.json declares.
//
//   node sample.mjs BUNDLE --seed 7 --count 16 --out picture.png
//
// What the function takes besides can be given by name (--label 3, --steps 20), and arrays from a file: --inputs
// INPUTS.json with {PORT: {"dims": [...], "data": [...]}}. --function chooses another one than sample. --out FILE.json
// (texts go to FILE.txt, sounds to FILE.wav) keeps the numbers as {"name": PORT, "dims": [...], "data": [...]}. With --serve instead, each line of the standard
// input is {"function": NAME, "inputs": {...}} and is answered by a line with the numbers or {"error": LINE}.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { crc32, deflateSync } from "node:zlib";

/** Open a bundle: its description, and a function that runs one of its functions on {port: {dims, data}}. */
export async function open(ort, directory) {
  const wrong = new Error(`expected the folder of a bundle, with a bundle.json of version 1, got ${directory}`);
  const info = await readFile(join(directory, "bundle.json"), "utf8").then(JSON.parse).catch(() => ({}));
  if (info.format !== "kerasgen-bundle" || info.version !== 1) throw wrong;
  const sessions = {};

  async function run(name, given = {}) {
    const entry = info.functions[name];
    if (!entry?.onnx) throw new Error(`${name}: expected one of ${Object.keys(info.functions)}`);
    const rows = given.count?.data[0] ?? Object.values(given).find((value) => value.dims.length)?.dims[0] ?? 1;
    const feeds = {};
    for (const port of entry.inputs) {
      // one value stands for all rows
      const whole = given[port.name]?.dims.length === port.shape.length ? given[port.name] : undefined;
      const dims = whole?.dims ?? port.shape.map((size) => (size === "batch" ? rows : size));
      const size = dims.reduce((a, b) => a * b, 1);
      const data = whole?.data ?? Array(size).fill(given[port.name]?.data[0] ?? port.default);
      if (data.length !== size || data[0] === null) throw new Error(`${port.name}: expected ${size} values`);
      const int = port.dtype === "int32";
      const low = port.minimum ?? (int ? -(2 ** 31) : -Infinity);
      const high = port.maximum ?? (int ? 2 ** 31 - 1 : Infinity);
      const bad = data.find((value) => !(value >= low && value <= high) || (int && !Number.isInteger(value)));
      const kind = int ? "a whole number" : "a number";
      if (bad !== undefined) throw new Error(`${port.name}: expected ${kind} from ${low} to ${high}, got ${bad}`);
      feeds[port.name] = new ort.Tensor(port.dtype, (int ? Int32Array : Float32Array).from(data), dims);
    }
    if (!sessions[name]) {
      const content = await readFile(join(directory, entry.onnx));
      const hash = createHash("sha256").update(content).digest("hex");
      if (hash !== info.files[entry.onnx].sha256) throw new Error(`${entry.onnx} is not as it was written`);
      sessions[name] = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
    }
    return (await sessions[name].run(feeds))[entry.output.name];
  }

  return { info, run };
}

/** Pictures (N, H, W, 1 or 3), eight in a row with their pixels enlarged, or points (N, 2): {width, height, pixels}. */
export function draw({ dims, data }) {
  const [count, height, width, channels] = dims;
  if (dims.length === 4 && count && (channels === 1 || channels === 3)) {
    const [columns, scale] = [Math.min(count, 8), Math.max(1, Math.floor(128 / height))];
    const image = blank(columns * width * scale, Math.ceil(count / columns) * height * scale);
    for (let i = 0; i < count * height * width; i++) {
      const [picture, row, column] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      const rgb = [0, 1, 2].map((c) => Math.min(1, Math.max(0, data[i * channels + (c % channels)])));
      const left = ((picture % columns) * width + column) * scale;
      const top = (Math.floor(picture / columns) * height + row) * scale;
      fill(image, left, top, scale, rgb.map((value) => Math.floor(255 * value + 0.5)));
    }
    return image;
  }
  if (dims.length === 2 && count && dims[1] === 2) {
    const limit = Math.max(3, Math.ceil(data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));
    const image = blank(384, 384);
    const place = (value) => Math.floor(((value / limit + 1) / 2) * (384 - 3)); // a dot is three pixels wide
    for (let i = 0; i < count; i++) fill(image, place(data[2 * i]), place(-data[2 * i + 1]), 3, [0, 0, 0]);
    return image;
  }
  const shape = dims.join(", ");
  throw new Error(`expected pictures or points to draw, got shape (${shape}); --out FILE.json keeps the numbers`);
}

function blank(width, height) {
  return { width, height, pixels: Buffer.alloc(width * height * 3, 255) };
}

function fill({ width, pixels }, left, top, side, rgb) {
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) pixels.set(rgb, (y * width + x) * 3);
  }
}

/** A picture as the bytes of a PNG file. */
export function png({ width, height, pixels }) {
  const chunk = (type, body) => {
    const content = Buffer.concat([Buffer.from(type), body]);
    const [size, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(body.length);
    check.writeUInt32BE(crc32(content));
    return Buffer.concat([size, content, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // eight bits, RGB
  const rows = Buffer.alloc(height * (width * 3 + 1)); // each row begins with its filter, 0
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (width * 3 + 1) + 1, y * width * 3, (y + 1) * width * 3);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...chunks]);
}

/** Sounds (N, length) in [-1, 1], a pause after each, as the bytes of a WAV file. */
export function wav({ dims, data }, rate) {
  const [count, length] = dims;
  const pause = Math.floor(rate / 4);
  const body = Buffer.alloc(2 * count * (length + pause));
  for (let i = 0; i < count * length; i++) {
    const level = Math.round(32767 * Math.min(1, Math.max(-1, data[i])));
    body.writeInt16LE(level, 2 * (i + Math.floor(i / length) * pause));
  }
  const header = Buffer.alloc(44);
  header.write("RIFF....WAVEfmt ", "latin1");
  header.writeUInt32LE(36 + body.length, 4);
  header.writeUInt32LE(16, 16);
  [1, 1].forEach((value, i) => header.writeUInt16LE(value, 20 + 2 * i)); // PCM, one channel
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(2 * rate, 28);
  [2, 16].forEach((value, i) => header.writeUInt16LE(value, 32 + 2 * i)); // bytes and bits of a value
  header.write("data", 36, "latin1");
  header.writeUInt32LE(body.length, 40);
  return Buffer.concat([header, body]);
}

/** Texts, rows of UTF-8 bytes (N, length) with zeros after their end, as the bytes of a file. */
export function text({ dims, data }) {
  const rows = Array.from({ length: dims[0] }, (_, i) => Buffer.from(data.slice(i * dims[1], (i + 1) * dims[1])));
  const end = (row) => row.findLastIndex((byte) => byte !== 0) + 1;
  return Buffer.concat(rows.flatMap((row, i) => [Buffer.from(i ? "\n\n" : ""), row.subarray(0, end(row))]).concat(Buffer.from("\n")));
}

const SUFFIXES = { text: ".txt", sound: ".wav" }; // what is not named is drawn

const USAGE =
  "usage: node sample.mjs BUNDLE [--seed 7] [--count 16] [--PORT VALUE] [--function sample] [--inputs FILE] --out FILE";

async function main([directory, ...rest]) {
  if (!directory || directory.startsWith("-")) throw Object.assign(new Error(USAGE), { usage: true });
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1; // so that Node exits when the work is done
  const bundle = await open(ort, directory);
  // every port of every function is an option; which of them the function takes is known when it is
  const ports = Object.values(bundle.info.functions).flatMap((entry) => entry.inputs.map((port) => port.name));
  const names = [...new Set(["out", "function", "inputs", "seed", "count", ...ports])];
  let values;
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
    values = parseArgs({ args: rest, options: { ...options, serve: { type: "boolean" } } }).values;
    const suffix = SUFFIXES[bundle.info.kind] ?? ".png";
    if (!values.serve && ![suffix, ".json"].some((end) => values.out?.endsWith(end))) {
      throw new Error(`--out: expected FILE${suffix} or FILE.json, got ${values.out}`);
    }
  } catch (error) {
    throw Object.assign(error, { usage: true });
  }
  if (values.serve) return serve(bundle);
  const { out, inputs, function: name = "sample", ...scalars } = values;
  const given = inputs ? JSON.parse(await readFile(inputs, "utf8")) : {};
  const entry = bundle.info.functions[name];
  for (const port of entry?.inputs ?? []) {
    const value = scalars[port.name] ?? { seed: "7", count: "16" }[port.name];
    if (value === undefined) continue;
    given[port.name] ??= port.text ? words(port, value, Number(scalars.count ?? 16)) : { dims: [], data: [Number(value)] };
  }
  const output = await bundle.run(name, given);
  const written = {
    ".png": () => png(draw(output)),
    ".txt": () => text(output),
    ".wav": () => wav(output, bundle.info.sample_rate),
  }[out.slice(-4)];
  await writeFile(out, written ? written() : json(entry.output.name, output));
}

/** A text for all rows, as the port takes it. */
function words(port, value, rows) {
  const [, length] = port.shape;
  const bytes = Buffer.from(value);
  if (bytes.length > length) throw new Error(`${port.name}: expected at most ${length} bytes, got ${bytes.length}`);
  const row = [...bytes, ...Array(length - bytes.length).fill(0)];
  return { dims: [rows, length], data: Array(rows).fill(row).flat() };
}

async function serve(bundle) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { function: name, inputs } = JSON.parse(line);
    const answer = bundle.run(name, inputs).then((output) => json(bundle.info.functions[name].output.name, output));
    console.log(await answer.catch((error) => JSON.stringify({ error: oneLine(error) })));
  }
}

const json = (name, { dims, data }) => JSON.stringify({ name, dims: [...dims], data: Array.from(data) });
const oneLine = (error) => error.message.replace(/\s+/g, " ");

if (process.argv[1]?.endsWith("sample.mjs")) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`error: ${oneLine(error)}`);
    process.exitCode = error.usage ? 2 : 1;
  });
}
