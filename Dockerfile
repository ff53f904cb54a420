# The engine as an image: docker build -t trade-engine .
# compose.yaml puts a proxy with TLS before it; docs/operations.md says how to set both up.

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/trade-engine
COPY requirements/run.txt requirements/run.txt
RUN /opt/trade-engine/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY te_core te_core
COPY plugins plugins
RUN /opt/trade-engine/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation . ./plugins/*/
# The root file system is read-only later: nothing could be compiled then.
RUN /opt/trade-engine/bin/python -m compileall -q -j 0 /opt/trade-engine/lib || true

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/trade-engine trade-engine \
    && install -d -m 0700 -o trade-engine -g trade-engine /etc/trade-engine /var/lib/trade-engine
COPY --from=build /opt/trade-engine /opt/trade-engine
# Only the proxy's network reaches the public listener; the private one stays inside the container.
ENV PATH=/opt/trade-engine/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TE_SETTINGS=/etc/trade-engine/settings.toml \
    TE_HOME=/var/lib/trade-engine \
    TE_LISTEN__PUBLIC__HOST=0.0.0.0
WORKDIR /etc/trade-engine
USER 10001:10001
# Settings with their secrets, and the journal. Volumes that are new take over the owner of these folders.
VOLUME ["/etc/trade-engine", "/var/lib/trade-engine"]
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["te", "health"]
ENTRYPOINT ["te"]
CMD ["run"]
