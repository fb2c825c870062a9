// Run a bundle in Node: any function, with the ports, defaults and files that its bundle.json declares.
//
//   node sample.mjs BUNDLE [--count 16] [--seed 7] [--function sample] [--inputs INPUTS.json] --out FILE.json|FILE.png
//
// INPUTS.json: {PORT: {"dims": [...], "data": [...]}}; ports that are left out take --count, --seed or their default.
// FILE.json is {"name": PORT, "dims": [...], "data": [...]}; FILE.png is a row of pictures with their pixels enlarged.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { crc32, deflateSync } from "node:zlib";

/** Open a bundle: its description, and a function that runs one of its functions on {port: {dims, data}}. */
export async function open(ort, directory) {
  const info = JSON.parse(await readFile(join(directory, "bundle.json"), "utf8"));
  if (info.format !== "kerasgen-bundle" || info.version > 1) throw new Error(`${directory}: not a bundle of version 1`);
  const sessions = {};

  async function run(name, given = {}) {
    const entry = info.functions[name];
    if (!entry?.onnx) throw new Error(`${name}: expected one of ${Object.keys(info.functions)}`);
    if (!sessions[name]) {
      const content = await readFile(join(directory, entry.onnx));
      const hash = createHash("sha256").update(content).digest("hex");
      if (hash !== info.files[entry.onnx].sha256) throw new Error(`${entry.onnx} is not as it was written`);
      sessions[name] = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
    }
    const rows = given.count?.data[0] ?? Object.values(given).find((value) => value.dims.length)?.dims[0] ?? 1;
    const feeds = {};
    for (const port of entry.inputs) {
      const dims = given[port.name]?.dims ?? port.shape.map((size) => (size === "batch" ? rows : size));
      const size = dims.reduce((a, b) => a * b, 1);
      const data = given[port.name]?.data ?? Array(size).fill(port.default);
      if (data.length !== size || data[0] === null) throw new Error(`${port.name}: expected ${size} values`);
      const Values = { float32: Float32Array, int32: Int32Array }[port.dtype];
      feeds[port.name] = new ort.Tensor(port.dtype, Values.from(data), dims);
    }
    return (await sessions[name].run(feeds))[entry.output.name];
  }

  return { info, run };
}

/** Pictures (N, H, W, 1 or 3) in [0, 1] side by side as a PNG. */
export function png({ dims: [count, height, width, channels], data }) {
  const scale = Math.max(1, Math.round(128 / height));
  const stride = count * width * scale * 3 + 1; // each row begins with its filter, 0
  const pixels = Buffer.alloc(height * scale * stride);
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < count * width * scale; x++) {
      const [picture, column] = [Math.floor(x / (width * scale)), Math.floor(x / scale) % width];
      const from = ((picture * height + Math.floor(y / scale)) * width + column) * channels;
      for (let c = 0; c < 3; c++) {
        const value = Math.min(1, Math.max(0, data[from + (c % channels)]));
        pixels[y * stride + 1 + x * 3 + c] = Math.round(255 * value);
      }
    }
  }
  const chunk = (type, body) => {
    const content = Buffer.concat([Buffer.from(type), body]);
    const [size, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(body.length);
    check.writeUInt32BE(crc32(content));
    return Buffer.concat([size, content, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(count * width * scale, 0);
  header.writeUInt32BE(height * scale, 4);
  header.set([8, 2], 8); // eight bits, RGB
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const chunks = [chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...chunks]);
}

if (process.argv[1]?.endsWith("sample.mjs")) {
  const options = {
    count: { type: "string", default: "16" },
    seed: { type: "string", default: "7" },
    function: { type: "string", default: "sample" },
    inputs: { type: "string" },
    out: { type: "string" },
  };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (positionals.length !== 1 || !values.out) {
    console.error("usage: node sample.mjs BUNDLE [--count N] [--seed S] [--function F] [--inputs FILE] --out FILE.json|.png");
    process.exit(2);
  }
  try {
    const ort = await import("onnxruntime-web");
    ort.env.wasm.numThreads = 1; // so that Node exits when the work is done
    const bundle = await open(ort, positionals[0]);
    const scalar = (value) => ({ dims: [], data: [Number(value)] });
    const given = values.inputs ? JSON.parse(await readFile(values.inputs, "utf8")) : {};
    const names = bundle.info.functions[values.function]?.inputs.map((port) => port.name) ?? [];
    for (const name of ["count", "seed"]) if (names.includes(name)) given[name] ??= scalar(values[name]);
    const output = await bundle.run(values.function, given);
    const name = bundle.info.functions[values.function].output.name;
    const json = () => JSON.stringify({ name, dims: [...output.dims], data: Array.from(output.data) });
    await writeFile(values.out, values.out.endsWith(".png") ? png(output) : json());
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(1);
  }
}
