# The image of workers that have an NVIDIA GPU: the same package on NVIDIA's CUDA runtime, with pycuda. Built from the root of the sources:
#
#   docker build -f configs/deploy/docker/cuda.Dockerfile -t zisk-actors:0.1.0-cuda .
#
# The driver comes from the host, through the NVIDIA container toolkit. It runs as UID 998, GID 999.

ARG CUDA=13.0.1
ARG SYSTEM=ubuntu24.04

FROM nvidia/cuda:${CUDA}-devel-${SYSTEM} AS build
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates g++ python3 python3-dev python3-venv && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml MANIFEST.in README.md LICENSE ./
COPY native native
COPY zisk_actors zisk_actors
RUN python3 -m venv /opt/zisk && \
    /opt/zisk/bin/pip install --no-cache-dir --disable-pip-version-check '.[cuda]'

FROM nvidia/cuda:${CUDA}-runtime-${SYSTEM}
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates libstdc++6 python3 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --non-unique --gid 999 zisk && \
    useradd --non-unique --uid 998 --gid 999 --no-create-home --home-dir /var/lib/zisk --shell /usr/sbin/nologin zisk && \
    install -d -o 998 -g 999 -m 0700 /var/lib/zisk /var/cache/zisk /run/zisk/coordinator /run/zisk/worker /run/zisk/operator
COPY --from=build /opt/zisk /opt/zisk
ENV PATH=/opt/zisk/bin:/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ZISK_HOME=/var/lib/zisk \
    LANG=C.UTF-8 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/zisk
USER 998:999
EXPOSE 9091
STOPSIGNAL SIGTERM
CMD ["zisk-worker"]
