"""What whole runs cost: the cluster, its clients, the faults, the history and the checkers, in CPU time.

Wall-clock figures of a shared machine drift, so everything here is CPU time of this process.
"""

import resource
import time
from dataclasses import dataclass

from fencepost.harness.run import RunResult, run
from fencepost.harness.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Cost:
    """What some runs cost together. CPU time in seconds, virtual time in microseconds."""

    runs: int
    cpu_s: float
    kernel_events: int
    virtual_us: int

    @property
    def events_per_cpu_s(self) -> float:
        """Kernel events a CPU-second."""
        return self.kernel_events / self.cpu_s

    @property
    def cpu_s_per_run(self) -> float:
        """CPU-seconds a run."""
        return self.cpu_s / self.runs

    @property
    def cluster_s_per_cpu_s(self) -> float:
        """Virtual seconds of the whole cluster for each CPU-second."""
        return self.virtual_us / 1e6 / self.cpu_s


def cost_of(specs: list[RunSpec]) -> Cost:
    """Run the specs one after the other, checkers included. Raises AssertionError if a clean one is not valid."""
    began = time.process_time()
    results: list[RunResult] = [run(spec) for spec in specs]
    cpu_s = time.process_time() - began
    for result in results:
        assert result.verdict == "valid", f"seed {result.spec.seed} is {result.verdict}"
    return Cost(len(results), cpu_s, sum(r.kernel_events for r in results), sum(r.end_us for r in results))


def main(seeds: int = 10) -> None:
    """Print the figures."""
    run(RunSpec(seed=0, duration_us=1_000_000))
    campaign = cost_of([RunSpec(seed=seed) for seed in range(seeds)])
    # Kafka's own defaults keep one copy of each record, which a power cut may cost: that would be a finding.
    copies = {"default.replication.factor": "3", "min.insync.replicas": "2"}
    defaults = cost_of([
        RunSpec(seed=seed, profile="kafka-defaults", duration_us=120_000_000, properties=copies) for seed in range(2)])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"default seeds              {campaign.events_per_cpu_s:12,.0f} kernel events a CPU-second, all on")
    print(f"                           {campaign.cpu_s_per_run:12.2f} CPU-seconds a seed (mean of {campaign.runs})")
    print(f"--profile kafka-defaults   {defaults.cluster_s_per_cpu_s:12.0f} simulated cluster-seconds a CPU-second")
    print(f"peak memory                {peak_mib:12.0f} MiB")
