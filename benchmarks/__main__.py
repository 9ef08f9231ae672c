"""Print every figure that the README quotes, in one run, with the machine it ran on."""

import os
import platform

from benchmarks import kernel, linearizability, simulation

print(f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}, "
      f"{os.cpu_count()} cores")
kernel.main()
simulation.main()
linearizability.main(["--timeout", "10"])
