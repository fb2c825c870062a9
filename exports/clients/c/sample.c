/* Draw with an exported model through ONNX Runtime's C API: ./sample BUNDLE SEED COUNT picture.ppm [PORT=VALUE ...]
 *
 * Build with the headers and the library of ONNX Runtime 1.17 or newer; see the Makefile beside this file. What the
 * function takes, and the defaults, are asked of onnx/sample.onnx itself. A scalar port gets one number; one with a
 * batch axis gets the numbers of each example, from a list that is repeated: label=3 or label=0,1,2. A port for texts
 * gets one for all, text="a bold three". PORT=@FILE.npy gives an array. A name that ends in .npy keeps the numbers that
 * are made, one that ends in .txt the texts. */

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"

enum { API = 17, PORTS = 16, AXES = 8, COLUMNS = 8, SIDE = 128, PLANE = 384 };

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
  if (errno || end == text || !isfinite(value) || (*end && *end != ',')) {
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
  value += sizeof key - 1;
  return strndup(value, strcspn(value, ",}"));
}

/* Whether the file's description of its ports says that one takes texts. */
static int takes_text(const char *name, const char *ports) {
  char line[80];
  snprintf(line, sizeof line, "\"name\": \"%.40s\"", name);
  const char *port = strstr(ports, line), *end = port ? strchr(port, '}') : NULL;
  const char *text = port ? strstr(port, "\"text\": true") : NULL;
  return text && end && text < end;
}

/* The header of an array of four-byte numbers in NumPy's format; its bytes. */
static size_t npy_header(char *header, size_t size, const char *kind, const int64_t *dims, size_t rank) {
  size_t at = 10 + snprintf(header + 10, size - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (", kind);
  for (size_t i = 0; i < rank; i++) at += snprintf(header + at, size - at, "%lld, ", (long long)dims[i]);
  at += snprintf(header + at, size - at, ")}");
  while ((at + 1) % 64) header[at++] = ' ';
  header[at++] = '\n';
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = (char)((at - 10) % 256);
  header[9] = (char)((at - 10) / 256);
  return at;
}

/* The numbers of an array in NumPy's format, which must have this kind and so many of them. */
static void read_npy(const char *path, const char *kind, void *data, size_t count) {
  unsigned char head[10];
  char text[65536], line[80];
  FILE *file = fopen(path, "rb");
  if (!file) fail(strerror(errno), path);
  size_t length = fread(head, 1, 10, file) == 10 && !memcmp(head, "\x93NUMPY\x01", 7) ? head[8] + 256 * head[9] : 0;
  if (!length || fread(text, 1, length, file) != length) fail("expected an array in NumPy's format 1.0", path);
  text[length - 1] = 0;
  snprintf(line, sizeof line, "expected %zu numbers of kind %s in rows", count, kind);
  if (!strstr(text, kind) || !strstr(text, "'fortran_order': False")) fail(line, path);
  if (fread(data, 4, count, file) != count || fgetc(file) != EOF) fail(line, path);
  fclose(file);
}

static const char *kind_of(ONNXTensorElementDataType element) {
  if (element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) return "<i4";
  return element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? "<f4" : NULL;
}

/* A tensor that holds one number, or those of each of `count` examples. */
static OrtValue *feed(const OrtSession *session, size_t port, const char *name, const char *given, int letters,
                      int64_t count) {
  OrtTypeInfo *type;
  const OrtTensorTypeAndShapeInfo *shape;
  ONNXTensorElementDataType element;
  size_t rank;
  int64_t dims[AXES], each = 1;
  OrtAllocator *allocator;
  OrtValue *tensor;
  void *data;
  char line[160];
  check(ort->SessionGetInputTypeInfo(session, port, &type));
  check(ort->CastTypeInfoToTensorInfo(type, &shape));
  check(ort->GetTensorElementType(shape, &element));
  check(ort->GetDimensionsCount(shape, &rank));
  if (rank > AXES || !kind_of(element)) fail("expected ports of numbers", name);
  check(ort->GetDimensions(shape, dims, rank));
  ort->ReleaseTypeInfo(type);
  for (size_t i = 1; i < rank; i++) each *= dims[i];
  if (each < 0) fail("expected ports whose size is known", name);
  if (rank) dims[0] = count;
  int64_t total = rank ? count * each : 1;
  check(ort->GetAllocatorWithDefaultOptions(&allocator));
  check(ort->CreateTensorAsOrtValue(allocator, dims, rank, element, &tensor));
  check(ort->GetTensorMutableData(tensor, &data));
  if (*given == '@') {
    read_npy(given + 1, kind_of(element), data, total);
    return tensor;
  }
  if (letters) {
    int64_t length = strlen(given);
    snprintf(line, sizeof line, "%.40s: expected at most %lld bytes", name, (long long)each);
    if (length > each) fail(line, given);
    for (int64_t i = 0; i < total; i++)
      ((int32_t *)data)[i] = i % each < length ? (unsigned char)given[i % each] : 0;
    return tensor;
  }
  const char *next = given;
  int whole = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  for (int64_t i = 0; i < total; i++) {
    double value = number(next, name, &next);
    if (whole && (value != floor(value) || value < INT32_MIN || value > INT32_MAX)) {
      snprintf(line, sizeof line, "%.40s: expected a whole number of 32 bits", name);
      fail(line, given);
    }
    if (whole) ((int32_t *)data)[i] = (int32_t)value;
    else ((float *)data)[i] = (float)value;
    if (!rank || !next) next = given;
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
  if (!pictures && !points) fail("expected pictures or points to draw; FILE.npy keeps the numbers", NULL);
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
    fprintf(stderr, "usage: sample BUNDLE SEED COUNT FILE.ppm|FILE.npy|FILE.txt [PORT=VALUE ...]\n");
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
    const char *about = described ? described : "", *value = given(names[i], about, argc, argv);
    inputs[i] = feed(session, i, names[i], value, takes_text(names[i], about), (int64_t)count);
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
  ONNXTensorElementDataType element;
  size_t rank, size;
  int64_t dims[AXES] = { 0 }, width = 0, height = 0;
  void *x;
  check(ort->GetTensorTypeAndShape(result, &shape));
  check(ort->GetTensorElementType(shape, &element));
  check(ort->GetDimensionsCount(shape, &rank));
  if (rank > AXES || !kind_of(element)) fail("expected numbers in at most 8 axes", output);
  check(ort->GetDimensions(shape, dims, rank));
  check(ort->GetTensorShapeElementCount(shape, &size));
  check(ort->GetTensorMutableData(result, &x));

  const char *suffix = strrchr(argv[4], '.') ? strrchr(argv[4], '.') : "";
  int numbers = !strcmp(suffix, ".npy"), texts = !strcmp(suffix, ".txt");
  int whole = element == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  if (texts && !(whole && rank == 2)) fail("expected a model of texts for .txt", output);
  if (!texts && !numbers && whole) fail("expected pictures or points to draw; FILE.npy or FILE.txt keeps texts", NULL);
  unsigned char *pixels = numbers || texts ? NULL : draw(x, dims, rank, &width, &height);
  FILE *file = fopen(argv[4], "wb");
  if (!file) fail(strerror(errno), argv[4]);
  if (numbers) {
    char header[512];
    fwrite(header, 1, npy_header(header, sizeof header, kind_of(element), dims, rank), file);
    fwrite(x, 4, size, file);
  } else if (texts) {
    for (int64_t i = 0; i < dims[0]; i++) {
      const int32_t *row = (int32_t *)x + i * dims[1];
      for (int64_t j = 0; j < dims[1] && row[j]; j++) fputc(row[j], file);
      fputc('\n', file);
    }
  } else {
    fprintf(file, "P6\n%lld %lld\n255\n", (long long)width, (long long)height);
    fwrite(pixels, 3, width * height, file);
  }
  if (ferror(file) || fclose(file)) fail(strerror(errno), argv[4]);
  return 0; /* the system takes back what was allocated */
}
