# Transfer Atlas with all that it needs, from Debian and the Python package index:
#   docker build --tag transfer-atlas .
#   docker run --rm --volume "$PWD":/study transfer-atlas --cores 2 --configfile my_study.yaml
# With NVIDIA GPUs: docker run --gpus all ...
FROM python:3.12-slim-bookworm

# a compiler for torch's own kernels, and fonts for names in Chinese, Japanese and Korean;
# versions are not pinned, for Debian's mirrors keep only the newest
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-noto-cjk gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/transfer-atlas
COPY . .
RUN pip install --no-cache-dir --editable .

WORKDIR /study
ENTRYPOINT ["snakemake", "--snakefile", "/opt/transfer-atlas/Snakefile"]
