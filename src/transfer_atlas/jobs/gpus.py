"""GPUs of this machine, counted and shared out without torch."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from transfer_atlas.jobs.lock import try_lock


def list_gpus(environment=os.environ):
    """Ids of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Args:
        environment: environment variables; CUDA_VISIBLE_DEVICES, where it is set, decides.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    if shutil.which("nvidia-smi", path=environment.get("PATH")) is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment))
    return listed.stdout.split() if listed.returncode == 0 else []


def claim_gpu(environment=os.environ, folder=None, wait=5):
    """Take one GPU for as long as this process lives, waiting for one to become free.

    Call it before torch is imported. The jobs of all studies of a user share the locks. Inside a Slurm job the
    scheduler has done it.

    Args:
        environment: environment variables, as in `list_gpus`; CUDA_VISIBLE_DEVICES is set to what was taken.
        folder: where the locks lie; by default one of the user's own under the temporary files.
        wait: seconds between two looks at GPUs that are all taken.

    Returns:
        The id that was taken; None where there is none to take.
    """
    gpus = [] if "SLURM_JOB_ID" in environment else list_gpus(environment)
    if not gpus:
        return None
    folder = Path(folder or Path(tempfile.gettempdir()) / f"transfer-atlas-gpus-{os.getuid()}")
    while True:
        for gpu in gpus:
            if try_lock(folder / f"{gpu}.lock"):
                environment["CUDA_VISIBLE_DEVICES"] = gpu
                return gpu
        time.sleep(wait)
