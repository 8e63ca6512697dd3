# The image of coordinator and workers, for processors. Built from the root of the sources:
#
#   docker build -f configs/deploy/docker/cpu.Dockerfile -t zisk-actors:0.1.0 .
#
# It runs as UID 998, GID 999. The command says which daemon; settings come to /etc/zisk, keys to where the settings say.

ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates g++ python3 python3-venv && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml MANIFEST.in README.md LICENSE ./
COPY native native
COPY zisk_actors zisk_actors
RUN python3 -m venv /opt/zisk && \
    /opt/zisk/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates libstdc++6 python3 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --non-unique --gid 999 zisk && \
    useradd --non-unique --uid 998 --gid 999 --no-create-home --home-dir /var/lib/zisk --shell /usr/sbin/nologin zisk && \
    install -d -o 998 -g 999 -m 0700 /var/lib/zisk /var/cache/zisk /run/zisk/coordinator /run/zisk/worker /run/zisk/operator
COPY --from=build /opt/zisk /opt/zisk
ENV PATH=/opt/zisk/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ZISK_HOME=/var/lib/zisk \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/zisk
USER 998:999
EXPOSE 7000 50051 9090 9091
STOPSIGNAL SIGTERM
CMD ["zisk-coordinator"]
