// What CANN's operators (aclnn...) hand out: objects, and the executor of a call.
//
// An operator's function ...GetWorkspaceSize takes what the operator takes, and then the addresses of two local
// variables of its caller: the bytes that it needs, and its executor, which may not stay null. How many
// arguments come before differs, and is not known here. So the two are found among the arguments as the first
// neighbours that are addresses of the stack, of which the second variable is null.
#include <stdint.h>
#include <stdlib.h>

enum { OBJECT_BYTES = 256, REGISTERS = 6, ARGUMENTS = 48, FRAME_BYTES = 1 << 16, APART = 1 << 10 };

static int is_on_stack(uintptr_t address, const uintptr_t *top) {
  return address > (uintptr_t)top && address - (uintptr_t)top < FRAME_BYTES && address % sizeof(void *) == 0;
}

// `words`: the six registers of arguments, the return address, and the arguments on the stack.
void set_executor(uintptr_t *words) {
  for (int i = 0; i + 1 < ARGUMENTS; ++i) {
    uintptr_t bytes = words[i < REGISTERS ? i : i + 1];
    uintptr_t executor = words[i + 1 < REGISTERS ? i + 1 : i + 2];
    if (!is_on_stack(bytes, words) || !is_on_stack(executor, words)) continue;
    if (labs((long)(executor - bytes)) > APART || *(void **)executor != NULL) continue;
    *(void **)executor = calloc(1, OBJECT_BYTES);
    return;
  }
}

__asm__(
    ".globl answer_workspace\n"
    "answer_workspace:\n"
    " pushq %r9\n pushq %r8\n pushq %rcx\n pushq %rdx\n pushq %rsi\n pushq %rdi\n"
    " movq %rsp,%rdi\n"
    " subq $8,%rsp\n"
    " call set_executor@PLT\n"
    " addq $56,%rsp\n"
    " xorl %eax,%eax\n"
    " ret\n");
