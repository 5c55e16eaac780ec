# The image contains only the server: no shell, no package manager, no root. Any builder can build it; it needs no
# BuildKit. `scripts/image-test` builds and tests it.

ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
# The base of the image. The server brings everything it needs, so the base can be empty.
ARG RUNTIME_IMAGE=scratch

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked \
 && scripts/image-root target/dist/scope3-mcp /image \
 && mkdir -p /home/nonroot/.local/state/scope3-mcp

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="scope3-mcp" \
      org.opencontainers.image.description="An MCP server through which AI agents work with Scope3's advertising platform" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /home/nonroot /home/nonroot
ENV PATH=/usr/local/bin HOME=/home/nonroot SCOPE3_BIND=0.0.0.0:8080
WORKDIR /home/nonroot
# Permits and the journal. Mount a volume here to keep them when the container is replaced.
VOLUME /home/nonroot/.local/state/scope3-mcp
# A number, so that an orchestrator can verify that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["/usr/local/bin/scope3-mcp", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/scope3-mcp"]
CMD ["http"]
