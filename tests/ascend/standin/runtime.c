// Functions of CANN's runtime that hand out objects or figures; all others return 0 (names.txt).
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CONTEXT_BYTES = 64, DESCRIPTOR_BYTES = 256, CARD_GB = 64 };

// The chip: "Ascend910A" is the Ascend 910, "Ascend910B2" an Atlas A2.
const char *aclrtGetSocName(void) {
  const char *name = getenv("STANDIN_SOC");
  return name ? name : "Ascend910B2";
}

int aclrtGetDeviceCount(uint32_t *count) {
  *count = 8;
  return 0;
}

// The card's memory in GB is STANDIN_MEMORY_GB; a sixteenth of it is taken, as by the driver and HCCL.
int aclrtGetMemInfo(int attribute, size_t *free_bytes, size_t *total_bytes) {
  const char *gigabytes = getenv("STANDIN_MEMORY_GB");
  *total_bytes = (size_t)(gigabytes ? atoi(gigabytes) : CARD_GB) << 30;
  *free_bytes = *total_bytes / 16 * 15;
  return 0;
}

static int allocate(void **object) {
  *object = malloc(CONTEXT_BYTES);
  return 0;
}

int aclrtCreateContext(void **context, int device) { return allocate(context); }
int aclrtCreateStreamWithConfig(void **stream, uint32_t priority, uint32_t flag) { return allocate(stream); }
int aclrtCreateStream(void **stream) { return allocate(stream); }
int aclrtCreateEvent(void **event) { return allocate(event); }
int aclrtCreateEventExWithFlag(void **event, uint32_t flag) { return allocate(event); }
int aclrtCreateEventWithFlag(void **event, uint32_t flag) { return allocate(event); }

int aclrtGetCurrentContext(void **context) {
  static char object[CONTEXT_BYTES];
  *context = object;
  return 0;
}

int aclrtGetRunMode(int *mode) {
  *mode = 1;
  return 0;
}

int aclrtMallocHost(void **memory, size_t bytes) {
  *memory = malloc(bytes);
  return 0;
}

// The card's memory: addresses of the host's, of which the system gives nothing before it is written to. What is
// freed stays taken, as a block's size is not known.
static int reserve(void **memory, size_t bytes) {
  *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *memory == MAP_FAILED;
}

int aclrtMalloc(void **memory, size_t bytes, int policy) { return reserve(memory, bytes); }
int aclrtMallocAlign32(void **memory, size_t bytes, int policy) { return reserve(memory, bytes); }
int aclrtReserveMemAddress(void **memory, size_t bytes, size_t alignment, void *wanted, uint64_t flags) {
  return reserve(memory, bytes);
}
// A piece of the card's memory, which MindSpore maps to addresses. It counts the pieces by what it is handed out:
// of pieces that are all 0 it would never use one again.
int aclrtMallocPhysical(void **piece, size_t bytes, const void *properties, uint64_t flags) {
  return allocate(piece);
}

int aclrtFreePhysical(void *piece) {
  free(piece);
  return 0;
}

enum { HOST_TO_HOST = 0, DEVICE_TO_HOST = 2 };

// The card computes nothing, so what comes from it is 0.
int aclrtMemcpy(void *to, size_t room, const void *from, size_t bytes, int kind) {
  if (kind == HOST_TO_HOST) memcpy(to, from, bytes);
  if (kind == DEVICE_TO_HOST) memset(to, 0, bytes);
  return 0;
}

int aclrtMemcpyAsync(void *to, size_t room, const void *from, size_t bytes, int kind, void *stream) {
  return aclrtMemcpy(to, room, from, bytes, kind);
}

// Threads of MindSpore call it without a pause, for what the card reports.
int aclrtProcessReport(int milliseconds) {
  usleep(10000);
  return 0;
}

int aclrtFreeHost(void *memory) {
  free(memory);
  return 0;
}

size_t aclDataTypeSize(int type) { return 4; }
const char *aclGetRecentErrMsg(void) { return ""; }
void *aclCreateTensorDesc(int type, int rank, const int64_t *shape, int format) { return calloc(1, DESCRIPTOR_BYTES); }
void *aclrtAllocatorCreateDesc(void) { return calloc(1, DESCRIPTOR_BYTES); }
void *aclCreateDataBuffer(void *data, size_t bytes) { return calloc(1, CONTEXT_BYTES); }
void *aclopCreateAttr(void) { return calloc(1, DESCRIPTOR_BYTES); }
