# An image that holds one static binary and nothing else.
#
#   docker build -t chaos .
#   docker run --rm -v "$PWD:/work" -v chaos-state:/state --network host chaos run slow.yaml
#
# docs/INSTALL.md says what is different inside: no shell, no CA certificates, no other programs.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target="$(rustc -vV | sed -n 's/^host: //p')" && \
    cargo build --locked --release --target "$target" && \
    cp "target/$target/release/chaos" /chaos && \
    mkdir -p /image/state /image/tmp /image/work

FROM scratch
COPY --from=build /image/ /
COPY --from=build /chaos /chaos
ENV PATH=/ XDG_STATE_HOME=/state XDG_RUNTIME_DIR=/tmp CHAOS_LOCK_DIR=/tmp
VOLUME /state
WORKDIR /work
ENTRYPOINT ["/chaos"]
CMD ["--help"]
