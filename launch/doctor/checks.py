"""The table of checks, in the order in which they are printed."""

from launch.doctor.all_reduce import CURE, gloo, nccl
from launch.doctor.check_result import Check
from launch.doctor.devices import devices, driver
from launch.doctor.machine import cores, host_memory, open_files, shared_memory
from launch.doctor.network import host_name, route
from launch.doctor.software import compiler, deepspeed, versions
from launch.doctor.storage import reading, shared_folder, writing

SAME = "use one environment, on a file system that all hosts mount"
SICK = "look at nvidia-smi and dmesg; leave the host out (sbatch --exclude)"
DISK = "look at the mount; another program may keep the disk busy"
CHECKS = (
    Check("versions", versions, cure=SAME, at_start=True),
    Check("driver", driver, "host", cure="use hosts with one driver"),
    Check("devices", devices, cure=SICK),
    Check("cores", cores, at_start=True),
    Check("host memory", host_memory),
    Check("shared memory", shared_memory, "host"),
    Check("open files", open_files, at_start=True),
    Check("host name", host_name, "host", cure="look at /etc/hosts and DNS"),
    Check("route", route, "host", cure="look at /etc/hosts and DNS"),
    Check("gloo", gloo, "together", cure=CURE),
    Check("nccl", nccl, "together", cure=CURE, after="devices"),
    Check("reading", reading, "host", cure="python -m video check SOURCE; " + DISK),
    Check("writing", writing, "host", cure=DISK),
    Check("run folder", shared_folder, "together", cure=DISK),
    Check("compiler", compiler, "host"),
    Check("deepspeed", deepspeed, "host", after="devices", cure="pip install -r requirements.txt"),
)
