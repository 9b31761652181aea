#!/bin/bash
# jaxgan on all hosts of a Cloud TPU slice. Not exercised: written from Google's documentation.
#
#   NAME=mine ZONE=us-central2-b TYPE=v4-32 BUCKET=my-bucket experiments/cluster/tpu_vm.sh configs/dcgan_cifar.py
#
# A spot slice that was taken away is made again by the same command, and the run goes on.
set -euo pipefail
config=$1
run=$(basename "$config" .py)
tpu() { gcloud compute tpus tpu-vm "$@" --zone="$ZONE"; }
everywhere() { tpu ssh "$NAME" --worker=all --command="$1"; }

tpu describe "$NAME" >/dev/null 2>&1 ||
  tpu create "$NAME" --accelerator-type="$TYPE" --version=tpu-ubuntu2204-base --spot
tpu scp --recurse --worker=all . "$NAME":jaxgan
everywhere "sudo apt-get install -qy python3.11-venv && python3.11 -m venv venv &&
  venv/bin/pip install -q 'jax[tpu]' ./jaxgan"
# Every host runs the same command; JAX finds the others by the slice's metadata.
everywhere "mkdir -p runs && (mountpoint -q runs || gcsfuse $BUCKET runs) && cd jaxgan &&
  ../venv/bin/python -m jaxgan.main --config $config --workdir ../runs/$run"
