#!/usr/bin/env bash
# A real Slurm on this machine, on loopback and in one folder: cluster.sh up DIR, cluster.sh down DIR.
# Three virtual nodes (cpu1, cpu2, gpu1 with two made-up GPUs), each of 4 CPUs and 16 GB whatever the machine has.
# Debian: apt-get install --no-install-recommends slurm-wlm munge. Needs neither systemd nor /etc/slurm.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
action=$1 dir=$(realpath -m "$2") port=${SLURM_TEST_PORT:-17800}
host=$(hostname -s)
export SLURM_CONF=$dir/etc/slurm.conf

until_true() { # SECONDS COMMAND...
  local tries=$(($1 * 10)); shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "cluster.sh: '$*' stayed false; see $dir/log" >&2; exit 1; }
    sleep 0.1
  done
}

write_config() {
  mkdir -p "$dir"/{etc,state,log,run,dev,bin,spool}
  [ -s "$dir/etc/munge.key" ] || head -c 1024 /dev/urandom > "$dir/etc/munge.key"
  chmod 400 "$dir/etc/munge.key"
  for gpu in 0 1; do # a GPU needs a device file of its own; plain files serve where mknod is not allowed
    [ -e "$dir/dev/gpu$gpu" ] || mknod "$dir/dev/gpu$gpu" c 1 3 2>/dev/null || : > "$dir/dev/gpu$gpu"
  done
  echo "NodeName=gpu1 Name=gpu File=$dir/dev/gpu[0-1]" > "$dir/etc/gres.conf"
  echo "CgroupAutomount=no" > "$dir/etc/cgroup.conf"
  : > "$dir/etc/plugstack.conf"
  cat > "$dir/etc/slurm.conf" <<CONF
ClusterName=transferatlas
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
# a requeued job waits until its credential has expired
AuthInfo=socket=$dir/run/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
PlugStackConfig=$dir/etc/plugstack.conf
MailProg=/bin/true
MpiDefault=none
AccountingStorageType=accounting_storage/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
# a job over its memory is killed within a second or two
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
GresTypes=gpu
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
JobRequeue=0
# refuse at once what no node can run, instead of keeping it pending for ever
EnforcePartLimits=ALL
ReturnToService=2
SlurmdTimeout=10
InactiveLimit=0
KillWait=30
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName=cpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4 RealMemory=16000
NodeName=cpu2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=4 RealMemory=16000
NodeName=gpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 3)) CPUs=4 RealMemory=16000 Gres=gpu:2
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=1-00:00:00 DefaultTime=10 State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=1-00:00:00 DefaultTime=10 State=UP
CONF
  # the plugin drops SLURM_CONF before the srun inside a job, which a cluster with /etc/slurm does not notice
  local srun; srun=$(PATH=${PATH//$dir\/bin:/} command -v srun)
  printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$srun" > "$dir/bin/srun"
  chmod 755 "$dir/bin/srun"
  printf 'export SLURM_CONF=%s PATH=%s/bin:$PATH\n' "$SLURM_CONF" "$dir" > "$dir/env.sh"
}

all_idle() { [ "$(sinfo -h -N -o %t | sort -u)" = idle ]; }

up() {
  write_config
  munged --socket="$dir/run/munge.socket" --key-file="$dir/etc/munge.key" --pid-file="$dir/run/munged.pid" \
    --log-file="$dir/log/munged.log" --seed-file="$dir/run/munged.seed"
  until_true 10 munge --socket="$dir/run/munge.socket" -n
  slurmctld
  until_true 20 scontrol ping
  for node in cpu1 cpu2 gpu1; do slurmd -N $node; done
  until_true 30 all_idle
}

stop() { # end the process of a pid file, if it is what the file's name says
  local process name
  process=$(cat "$1" 2>/dev/null) || return 0
  name=$(basename "$1" .pid)
  [ "$(cat "/proc/$process/comm" 2>/dev/null)" = "${name%%-*}" ] || return 0
  kill "$process"
  until_true 20 test ! -e "/proc/$process"
}

down() {
  if scontrol ping >/dev/null 2>&1; then
    scancel --user="$(id -un)"
    until_true 40 sh -c '[ -z "$(squeue -h)" ]'
  fi
  for daemon in slurmd-cpu1 slurmd-cpu2 slurmd-gpu1 slurmctld munged; do stop "$dir/run/$daemon.pid"; done
  rm -rf "$dir"
}

"$action"
