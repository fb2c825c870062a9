/* Draw with an exported model through ONNX Runtime's C API: ./sample BUNDLE SEED COUNT picture.ppm [PORT=VALUE ...]
 *
 * Build with the headers and the library of ONNX Runtime 1.17 or newer; see the Makefile beside this file. What the
 * function takes, and the defaults, are asked of onnx/sample.onnx itself. A scalar port gets one number; one with a
 * batch axis gets a number for each example, from a list that is repeated: label=3 or label=0,1,2. A name that ends in
 * .f32 keeps the numbers, as raw float32. */

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

enum { API = 17, PORTS = 16, COLUMNS = 8, SIDE = 128, PLANE = 384 };

static const OrtApi *ort;

static void fail(const char *what, const char *got) {
  fprintf(stderr, "error: %s%s%s\n", what, got ? ", got " : "", got ? got : "");
  exit(1);
}

static void check(OrtStatus *status) {
  if (status) fail(ort->GetErrorMessage(status), NULL);
}

static void *room(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) fail("not enough memory", NULL);
  return memory;
}

/* The number at the start of a text; `rest` is what follows it, after a comma. */
static double number(const char *text, const char *name, const char **rest) {
  char *end, line[80];
  double value = (errno = 0, strtod(text, &end));
  if (errno || end == text || !isfinite(value) || (*end && *end != ',' && *end != '}')) {
    snprintf(line, sizeof line, "%.40s: expected a number", name);
    fail(line, text);
  }
  if (rest) *rest = *end == ',' && end[1] ? end + 1 : NULL;
  return value;
}

/* The text given for a port; else the default, which the file's description of its ports has. */
static const char *given(const char *name, const char *ports, int argc, char **argv) {
  static const char key[] = "\"default\": ";
  char line[80];
  size_t length = strlen(name);
  if (!strcmp(name, "seed")) return argv[2];
  if (!strcmp(name, "count")) return argv[3];
  for (int i = 5; i < argc; i++)
    if (!strncmp(argv[i], name, length) && argv[i][length] == '=') return argv[i] + length + 1;
  snprintf(line, sizeof line, "\"name\": \"%.40s\"", name);
  const char *port = strstr(ports, line), *value = port ? strstr(port, key) : NULL;
  snprintf(line, sizeof line, "expected %.30s=NUMBER", name);
  if (!value || !strncmp(value + sizeof key - 1, "null", 4)) fail(line, "nothing");
  return value + sizeof key - 1;
}

/* A tensor that holds one number, or one for each of `count` examples. */
static OrtValue *feed(const OrtSession *session, size_t port, const char *name, const char *text, int64_t count) {
  OrtTypeInfo *type;
  const OrtTensorTypeAndShapeInfo *shape;
  ONNXTensorElementDataType element;
  size_t rank;
  OrtAllocator *allocator;
  OrtValue *tensor;
  void *data;
  check(ort->SessionGetInputTypeInfo(session, port, &type));
  check(ort->CastTypeInfoToTensorInfo(type, &shape));
  check(ort->GetTensorElementType(shape, &element));
  check(ort->GetDimensionsCount(shape, &rank));
  ort->ReleaseTypeInfo(type);
  int whole = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  if (rank > 1 || (!whole && element != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)) fail("expected ports of numbers", name);
  check(ort->GetAllocatorWithDefaultOptions(&allocator));
  check(ort->CreateTensorAsOrtValue(allocator, &count, rank, element, &tensor));
  check(ort->GetTensorMutableData(tensor, &data));
  const char *next = text;
  for (int64_t i = 0; i < (rank ? count : 1); i++) {
    double value = number(next, name, &next);
    if (whole && (value != floor(value) || value < INT32_MIN || value > INT32_MAX)) {
      char line[80];
      snprintf(line, sizeof line, "%.40s: expected a whole number of 32 bits", name);
      fail(line, text);
    }
    if (whole) ((int32_t *)data)[i] = (int32_t)value;
    else ((float *)data)[i] = (float)value;
    if (!rank || !next) next = text;
  }
  return tensor;
}

static unsigned char level(float value) {
  return (unsigned char)floor(255.0 * fmin(1, fmax(0, value)) + 0.5);
}

/* Pictures (N, H, W, 1 or 3), eight in a row with their pixels enlarged, or points (N, 2). */
static unsigned char *draw(const float *x, const int64_t *dims, size_t rank, int64_t *width, int64_t *height) {
  int pictures = rank == 4 && dims[0] && (dims[3] == 1 || dims[3] == 3);
  int points = rank == 2 && dims[0] && dims[1] == 2;
  if (!pictures && !points) fail("expected pictures or points to draw; FILE.f32 keeps the numbers", NULL);
  int64_t columns = dims[0] < COLUMNS ? dims[0] : COLUMNS, rows = (dims[0] + COLUMNS - 1) / COLUMNS;
  int64_t scale = pictures && dims[1] < SIDE ? SIDE / dims[1] : 1;
  *width = pictures ? columns * dims[2] * scale : PLANE;
  *height = pictures ? rows * dims[1] * scale : PLANE;
  unsigned char *pixels = memset(room(*width * *height * 3), 255, *width * *height * 3);
  if (pictures) {
    for (int64_t y = 0; y < *height; y++) for (int64_t j = 0; j < *width * 3; j++) {
      int64_t row = y / scale, column = j / 3 / scale, channel = dims[3] == 3 ? j % 3 : 0;
      int64_t picture = row / dims[1] * columns + column / dims[2];
      if (picture >= dims[0]) continue;
      int64_t at = ((picture * dims[1] + row % dims[1]) * dims[2] + column % dims[2]) * dims[3] + channel;
      pixels[y * *width * 3 + j] = level(x[at]);
    }
    return pixels;
  }
  double limit = 3;
  for (int64_t i = 0; i < 2 * dims[0]; i++) limit = fmax(limit, ceil(fabs(x[i])));
  for (int64_t i = 0; i < dims[0]; i++) {
    int64_t left = floor((x[2 * i] / limit + 1) / 2 * (PLANE - 3)); /* a dot is three pixels wide */
    int64_t top = floor((-x[2 * i + 1] / limit + 1) / 2 * (PLANE - 3));
    for (int row = 0; row < 3; row++) memset(pixels + ((top + row) * PLANE + left) * 3, 0, 9);
  }
  return pixels;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: sample BUNDLE SEED COUNT FILE.ppm|FILE.f32 [PORT=VALUE ...]\n");
    return 2;
  }
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  const OrtApiBase *base = OrtGetApiBase();
  if (!(ort = base->GetApi(API))) fail("expected ONNX Runtime 1.17 or newer", base->GetVersionString());

  char path[4096];
  int length = snprintf(path, sizeof path, "%s/onnx/sample.onnx", argv[1]);
  if (length >= (int)sizeof path) fail("the path is too long", NULL);
  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  OrtAllocator *allocator;
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "sample", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->CreateSession(env, path, options, &session));
  check(ort->GetAllocatorWithDefaultOptions(&allocator));

  size_t ports;
  char *names[PORTS], *output;
  OrtValue *inputs[PORTS], *result = NULL;
  double count = number(argv[3], "count", NULL);
  if (!(count >= 0 && count <= 1e6)) fail("count: expected 0 to 1000000", argv[3]);
  check(ort->SessionGetInputCount(session, &ports));
  if (ports > PORTS) fail("expected at most 16 ports", NULL);
  OrtModelMetadata *metadata;
  char *described = NULL;
  check(ort->SessionGetModelMetadata(session, &metadata));
  check(ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "ports", &described));
  for (size_t i = 0; i < ports; i++) {
    check(ort->SessionGetInputName(session, i, allocator, &names[i]));
    inputs[i] = feed(session, i, names[i], given(names[i], described ? described : "", argc, argv), (int64_t)count);
  }
  for (int i = 5; i < argc; i++) {
    size_t known = 0, length = strcspn(argv[i], "=");
    for (size_t j = 0; j < ports; j++) known += !strncmp(argv[i], names[j], length) && !names[j][length];
    if (!known) fail("expected PORT=VALUE with a port that the model has", argv[i]);
  }
  check(ort->SessionGetOutputName(session, 0, allocator, &output));
  const char *outputs[] = { output };
  const OrtValue *const *values = (const OrtValue *const *)inputs;
  check(ort->Run(session, NULL, (const char *const *)names, values, ports, outputs, 1, &result));

  OrtTensorTypeAndShapeInfo *shape;
  size_t rank, size;
  int64_t dims[8] = { 0 }, width, height;
  float *x;
  check(ort->GetTensorTypeAndShape(result, &shape));
  check(ort->GetDimensionsCount(shape, &rank));
  if (rank > 8) fail("expected at most 8 axes", NULL);
  check(ort->GetDimensions(shape, dims, rank));
  check(ort->GetTensorShapeElementCount(shape, &size));
  check(ort->GetTensorMutableData(result, (void **)&x));

  const char *dot = strrchr(argv[4], '.');
  int raw = dot && !strcmp(dot, ".f32");
  unsigned char *pixels = raw ? NULL : draw(x, dims, rank, &width, &height);
  FILE *file = fopen(argv[4], "wb");
  if (!file) fail(strerror(errno), argv[4]);
  if (!raw) fprintf(file, "P6\n%lld %lld\n255\n", (long long)width, (long long)height);
  size_t bytes = raw ? size * sizeof *x : (size_t)(width * height * 3);
  if (fwrite(raw ? (void *)x : pixels, 1, bytes, file) != bytes || fclose(file)) fail(strerror(errno), argv[4]);
  return 0; /* the system takes back what was allocated */
}
