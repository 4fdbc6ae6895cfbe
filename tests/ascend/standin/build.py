"""Build stand-ins for CANN's libraries, with which MindSpore's own Ascend backend works without a card.

    python -m tests.ascend.standin.build FOLDER      # prints the environment to set

MindSpore's wheel holds the plugin for Ascend; what a machine without a card lacks are CANN's shared
libraries. Here they are functions that return 0 (names.txt, aclnn_names.txt), some that hand out memory
(runtime.c), HCCL's (hccl.c), the operators' (operators.c), and what the graph engine constructs
(ge_objects.txt, ge_operators.cpp). Nothing is computed: outputs are zeros. MS_SIMULATION_LEVEL=1 tells the
project that the card is none; without it MindSpore also starts the graph engine, and ranks find each other.

Real are: type and shape inference, the choice of operators for the chip, the passes of the Ascend backend,
memory planning, and the host's work of launching a step.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterable, Mapping, Optional, Sequence

HERE = Path(__file__).resolve().parent
# Each of the two libraries with functions that start something on the card counts their calls in a variable.
COUNTERS = {"libascendcl.so": "calls_of_the_runtime", "libopapi.so": "calls_of_operators"}
STARTING = ("aclopCompileAndExecute", "aclopCompileAndExecuteV2", "aclrtMemsetAsync")
# Libraries of CANN that are loaded by name; what they hold is in libascendcl.so.
LIBRARIES = (
    "ge_runner graph error_manager platform msprofiler cann_kb compress opskernel host_cpu_engine slice "
    "aoe_executor acl_dvpp_op acl_dvpp_mpi hccl runtime c_sec nnopbase ascend_hal hcom_graph_adaptor "
    "register hcom_opskernel_builder ra profapi mmpa ascendalog atb acl_op_compiler acl_tdt_channel"
).split()
# Functions of libopapi.so that return an object; all others return 0.
OBJECTS = (
    "aclCreateBoolArray aclCreateFloatArray aclCreateIntArray aclCreateScalar aclCreateScalarList "
    "aclCreateTensor aclCreateTensorList"
).split()
ZEROS = (
    "aclnnInit aclnnFinalize aclDestroyAclOpExecutor aclDestroyBoolArray aclDestroyFloatArray "
    "aclDestroyIntArray aclDestroyScalar aclDestroyScalarList aclDestroyTensor aclDestroyTensorList "
    "aclSetAclOpExecutorRepeatable aclSetDynamicInputTensorAddr aclSetDynamicOutputTensorAddr "
    "aclSetDynamicTensorAddr aclSetInputTensorAddr aclSetOutputTensorAddr aclSetTensorAddr aclGetViewShape "
    "aclGetViewStrides InitHugeMemThreadLocal UnInitHugeMemThreadLocal ReleaseHugeMem "
    "InitPTACacheThreadLocal SetPTAHashKey PTAGetExecCache CanUsePTACache AddTensorAddrToCachedList "
    "UnInitPTACacheThreadLocal"
).split()


def reason_not_to_build() -> Optional[str]:
    """Why the stand-ins cannot be built on this machine; None where they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the stand-ins of CANN are for Linux on x86-64, not {sys.platform} on {platform.machine()}"
    if not (shutil.which("gcc") and shutil.which("g++")):
        return "the stand-ins of CANN need gcc and g++"
    return None


def build(folder: Path) -> Dict[str, str]:
    """Build everything below `folder`; returns the environment variables to set for MindSpore."""
    home = Path(folder).resolve() / "ascend-toolkit" / "latest"
    libraries = home / "lib64"
    libraries.mkdir(parents=True, exist_ok=True)
    (home / "opp").mkdir(exist_ok=True)
    _build_runtime(home, libraries)
    for name in LIBRARIES:
        _run(
            *("gcc", "-shared", "-fPIC", "-x", "c", os.devnull, "-o", libraries / f"lib{name}.so"),
            *(f"-Wl,-soname,lib{name}.so", "-Wl,--no-as-needed", "-L", libraries, "-lascendcl"),
            "-Wl,-rpath,$ORIGIN",
        )
    _build_operators(home, libraries)
    _write_python_packages(home / "python")
    return {
        "ASCEND_HOME_PATH": str(home),
        "ASCEND_OPP_PATH": str(home / "opp"),
        "MS_SIMULATION_LEVEL": "1",
        "STANDIN_SOC": "Ascend910B2",  # the chip, which also Ascend910A may be
        "GLOG_v": "3",
        "LD_LIBRARY_PATH": os.pathsep.join(_and_before(libraries, "LD_LIBRARY_PATH")),
        "PYTHONPATH": os.pathsep.join(_and_before(home / "python", "PYTHONPATH")),
    }


def _build_runtime(home, libraries):
    """libascendcl.so: the runtime, HCCL and the graph engine."""
    sources = [HERE / "runtime.c", HERE / "hccl.c"]
    written = "".join(source.read_text() for source in sources)
    names = [name for name in (HERE / "names.txt").read_text().split() if f"{name}(" not in written]
    zeros = [name for name in names if name not in STARTING]
    (home / "zeros.s").write_text(
        _functions_that_return_0(zeros) + _counted_functions(STARTING, COUNTERS["libascendcl.so"])
    )
    (home / "objects.s").write_text(_functions_that_return_objects())
    operators = home / "ge_operators.o"
    # MindSpore's wheel is built with the C++ ABI of before GCC 5.
    _run(
        *("g++", "-O1", "-D_GLIBCXX_USE_CXX11_ABI=0", "-c", "-fPIC", "-o", operators),
        HERE / "ge_operators.cpp",
    )
    _run(
        *("gcc", "-shared", "-fPIC", "-o", libraries / "libascendcl.so", home / "zeros.s"),
        *(home / "objects.s", operators, *sources, "-Wl,-soname,libascendcl.so", "-lstdc++"),
    )


def _build_operators(home, libraries):
    """libopapi.so: the operators (aclnn...)."""
    names = [name for name in (HERE / "aclnn_names.txt").read_text().split() if name not in ZEROS]
    with_executor = [name for name in names if name.endswith("GetWorkspaceSize")]
    starting = [name for name in names if name not in with_executor]
    bodies = {name: ["jmp answer_workspace"] for name in with_executor}
    (home / "operators.s").write_text(
        _functions_that_return_0(ZEROS)
        + _counted_functions(starting, COUNTERS["libopapi.so"])
        + _assembler(bodies)
    )
    objects = "".join(f"void *{name}(void) {{ return calloc(1, 256); }}\n" for name in OBJECTS)
    (home / "objects.c").write_text("#include <stdlib.h>\n" + objects)
    _run(
        *("gcc", "-shared", "-fPIC", "-o", libraries / "libopapi.so"),
        *(home / "operators.s", home / "objects.c", HERE / "operators.c", "-Wl,-soname,libopapi.so"),
    )


def _write_python_packages(folder):
    """CANN's Python packages that MindSpore asks for their versions."""
    (folder / "hccl").mkdir(parents=True, exist_ok=True)
    (folder / "hccl" / "__init__.py").write_text("from . import sys_version\n")
    (folder / "hccl" / "sys_version.py").write_text("__sys_version__ = '8.2.0'\n")


def _functions_that_return_0(names: Iterable[str]) -> str:
    """Assembler text."""
    return _assembler({name: ["xorl %eax,%eax"] for name in names})


def _counted_functions(names: Iterable[str], counter: str) -> str:
    """Assembler text of functions that return 0 and count their calls in a variable of 8 bytes."""
    body = [f"movq {counter}@GOTPCREL(%rip),%rax", "lock incq (%rax)", "xorl %eax,%eax"]
    return f".comm {counter},8,8\n" + _assembler({name: body for name in names})


def _functions_that_return_objects() -> str:
    """Assembler text of the functions of ge_objects.txt: constructors, and functions that return an object.

    A line there is a name and the offsets of the pointers in the object that become 0.
    """
    bodies = {}
    for line in (HERE / "ge_objects.txt").read_text().splitlines():
        name, *offsets = line.split()
        bodies[name] = [*(f"movq $0,{offset}(%rdi)" for offset in offsets), "movq %rdi,%rax"]
    return _assembler(bodies)


def _assembler(bodies: Mapping[str, Sequence[str]]) -> str:
    """Assembler text of functions, given {name: instructions before the return}."""
    lines = [".text"]
    for name, instructions in bodies.items():
        lines += [f".globl {name}", f".type {name},@function", f"{name}:"]
        lines += [f" {instruction}" for instruction in (*instructions, "ret")]
    return "\n".join([*lines, '.section .note.GNU-stack,"",@progbits', ""])


def _and_before(path, variable):
    """[path, what the variable holds already]."""
    return [str(path), *filter(None, [os.environ.get(variable)])]


def _run(*words):
    subprocess.run([str(word) for word in words], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for name, value in build(Path(sys.argv[1])).items():
        print(f"export {name}={value}")
