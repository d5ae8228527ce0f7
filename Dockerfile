# syntax=docker/dockerfile:1

# The gateway and nothing else: one static binary, certificates to trust, and a
# directory to keep sessions and keys in. No shell, no packages, not root.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -tags nobadger,nomysql,nopgx -ldflags "-s -w -X main.version=$VERSION" -o /out/osc-gateway ./cmd/osc-gateway
RUN mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/osc-gateway /osc-gateway
COPY --from=build --chown=65532:65532 /out/data /data

# Everything that is written goes below /data; the rest can be read-only.
ENV HOME=/data XDG_DATA_HOME=/data XDG_CONFIG_HOME=/data/config
VOLUME /data
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/osc-gateway", "health"]
ENTRYPOINT ["/osc-gateway"]
CMD ["proxy"]
