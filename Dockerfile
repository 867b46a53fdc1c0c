FROM python:3.11.14-slim-bookworm AS builder
RUN python -m venv /opt/dosetrail
ENV PATH=/opt/dosetrail/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY app ./app
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11.14-slim-bookworm
# A numeric id, so that an orchestrator can see that it is not root.
RUN groupadd --gid 10001 dosetrail \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dosetrail dosetrail \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/dosetrail
COPY --from=builder /opt/dosetrail /opt/dosetrail
ENV PATH=/opt/dosetrail/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DOSETRAIL_DATABASE_URL=sqlite+aiosqlite:////var/lib/dosetrail/dosetrail.db
WORKDIR /var/lib/dosetrail
VOLUME /var/lib/dosetrail
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["dosetrail", "serve", "--host", "0.0.0.0"]
