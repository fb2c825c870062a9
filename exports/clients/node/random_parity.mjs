// Does a runtime draw the numbers that Python drew? One script for Node and for the web page next door.
//
//   node random_parity.mjs MODEL.onnx REFERENCE.json     prints a report (JSON); exit code 3 if it differs
//
// REFERENCE.json: {"cases": [{"seed": 7, "count": 4, "outputs": {NAME: {"dims": [...], "data": [...],
// "tolerance": 0}}}]}. A tolerance t allows |got - expected| <= t * max(1, |expected|); 0 means identical.

/** Run every case and return {differs, outputs: {name: {compared, worst, tolerance, differs}}}. */
export async function parity(ort, model, reference) {
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const scalar = (value) => new ort.Tensor("int32", Int32Array.of(value), []);
  const outputs = {};
  for (const { seed, count, outputs: expected } of reference.cases) {
    const got = await session.run({ seed: scalar(seed), count: scalar(count) });
    for (const [name, { dims, data, tolerance }] of Object.entries(expected)) {
      const row = (outputs[name] ??= { compared: 0, worst: 0, tolerance, differs: false });
      if (String(got[name].dims) !== String(dims)) throw new Error(`${name}: shape ${got[name].dims}, expected ${dims}`);
      // int64 arrives as BigInt64Array; a word of 32 bits is exact as a Number
      Array.from(got[name].data, Number).forEach((value, i) => {
        const error = Math.abs(value - data[i]) / Math.max(1, Math.abs(data[i]));
        row.compared += 1;
        if (!(error <= row.worst)) row.worst = error; // not a number counts as worst
        if (!(error <= tolerance)) row.differs = true;
      });
    }
  }
  return { differs: Object.values(outputs).some((row) => row.differs), outputs };
}

if (globalThis.process?.argv?.[1]?.endsWith("random_parity.mjs")) {
  const [model, reference] = process.argv.slice(2);
  if (!reference) {
    console.error("usage: node random_parity.mjs MODEL.onnx REFERENCE.json");
    process.exit(2);
  }
  const { readFile } = await import("node:fs/promises");
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1; // so that Node exits when the work is done
  const report = await parity(ort, await readFile(model), JSON.parse(await readFile(reference, "utf8")));
  console.log(JSON.stringify(report));
  process.exit(report.differs ? 3 : 0);
}
