// CANN's collectives (HCCL). Nothing is sent. A process that joins the others waits for them in the folder that
// STANDIN_MEETING names. What a process calls is written, a call a line and in its order, to the file that
// STANDIN_CALLS names: the device that it takes, how it joins, and each collective with its count of elements and
// their type.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMUNICATOR_BYTES = 4096, ROOT_INFO_BYTES = 4108 };

static void note(const char *format, ...) {
  const char *path = getenv("STANDIN_CALLS");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (!file) return;
  va_list arguments;
  va_start(arguments, format);
  vfprintf(file, format, arguments);
  va_end(arguments);
  fclose(file);
}

// A group of ranks; MindSpore sees its address alone.
struct Communicator {
  uint32_t size;
  uint32_t rank;
};

// Waits until all ranks have come to their meeting of this number.
static void meet(int number, uint32_t size, uint32_t rank) {
  const char *folder = getenv("STANDIN_MEETING");
  char path[4096];
  if (!folder) return;
  snprintf(path, sizeof path, "%s/%d.%u", folder, number, rank);
  FILE *own = fopen(path, "w");
  if (own) fclose(own);
  for (uint32_t other = 0; other < size; ++other) {
    snprintf(path, sizeof path, "%s/%d.%u", folder, number, other);
    while (access(path, F_OK)) usleep(10000);
  }
}

static int join(void **communicator, uint32_t size, uint32_t rank) {
  static int meetings = 0;
  meet(meetings++, size, rank);
  struct Communicator *group = calloc(1, COMMUNICATOR_BYTES);
  group->size = size;
  group->rank = rank;
  *communicator = group;
  return 0;
}

int aclrtSetDevice(int device) {
  static int last = -1;
  if (device != last) note("device %d\n", device);
  last = device;
  return 0;
}

// What rank 0 sends to the others. They ask again as long as it is empty.
int HcclGetRootInfo(void *root) {
  memset(root, 'r', ROOT_INFO_BYTES);
  return 0;
}

int HcclCommInitRootInfoConfig(uint32_t size, const void *root, uint32_t rank, const void *config, void **group) {
  note("root_info %u of %u\n", rank, size);
  return join(group, size, rank);
}

int HcclCommInitRootInfo(uint32_t size, const void *root, uint32_t rank, void **group) {
  return HcclCommInitRootInfoConfig(size, root, rank, NULL, group);
}

int HcclCommInitClusterInfoConfig(const char *table, uint32_t rank, void *config, void **group) {
  const char *size = getenv("RANK_SIZE");
  note("rank_table %u of %s %s\n", rank, size, table);
  return join(group, size ? atoi(size) : 1, rank);
}

int HcclCommInitClusterInfo(const char *table, uint32_t rank, void **group) {
  return HcclCommInitClusterInfoConfig(table, rank, NULL, group);
}

int HcclCreateSubCommConfig(void **all, uint32_t size, uint32_t *ranks, uint64_t id, uint32_t rank, void *config,
                            void **group) {
  note("group %u of %u\n", rank, size);
  return join(group, size, rank);
}

int HcclGetRankSize(void *group, uint32_t *size) {
  *size = ((struct Communicator *)group)->size;
  return 0;
}

int HcclGetRankId(void *group, uint32_t *rank) {
  *rank = ((struct Communicator *)group)->rank;
  return 0;
}

int HcclGetCommName(void *group, char *name) {
  strcpy(name, "group");
  return 0;
}

int HcclAllReduce(void *in, void *out, uint64_t count, int type, int operation, void *group, void *stream) {
  note("all_reduce %lu type %d\n", count, type);
  return 0;
}

int HcclBroadcast(void *data, uint64_t count, int type, uint32_t root, void *group, void *stream) {
  note("broadcast %lu type %d\n", count, type);
  return 0;
}

int HcclAllGather(void *in, void *out, uint64_t count, int type, void *group, void *stream) {
  note("all_gather %lu type %d\n", count, type);
  return 0;
}
