# syntax=docker/dockerfile:1
# The bot in a small image that runs as nobody in particular, on a read-only root: see docs/OPERATING.md.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && python -m venv /opt/tumorscan
WORKDIR /src
# requirements-extras.lock has PostgreSQL, Dask and Sentry, too: docker build --build-arg LOCK=requirements-extras.lock .
ARG LOCK=requirements.lock
COPY requirements.lock requirements-extras.lock ./
RUN /opt/tumorscan/bin/pip install --quiet --no-compile --require-hashes -r ${LOCK}
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY inference inference
COPY reports reports
COPY storage storage
COPY deploy/slim.py deploy/slim.py
# What builds packages goes, pip itself among it. Then codecs of formats, data of languages and drivers of accelerators
# that serve nobody here; the build ends there when a sample can't be read without them.
RUN /opt/tumorscan/bin/pip install --quiet --no-compile --no-deps --no-build-isolation . \
    && /opt/tumorscan/bin/pip uninstall --quiet --yes \
        editables hatchling pathspec pluggy tomlkit trove-classifiers pip \
    && /opt/tumorscan/bin/python deploy/slim.py /opt/tumorscan

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tumorscan \
    && install -d -o tumorscan -g tumorscan -m 0700 /data /backups
COPY --from=build /opt/tumorscan /opt/tumorscan
ENV PATH=/opt/tumorscan/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite+aiosqlite:////data/tumorscan.db \
    STATUS_PORT=9108
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/backups"]
STOPSIGNAL SIGTERM
# The port listens inside the container alone, unless STATUS_HOST=0.0.0.0.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as ask; ask.urlopen('http://127.0.0.1:9108/healthz', timeout=4)"]
ENTRYPOINT ["tumorscan"]
CMD ["run"]
