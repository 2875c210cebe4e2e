# The pinned requirements on a pinned Python, without conda. Not built or tested yet.
#   docker build -t scae .
#   docker run --rm -v "$PWD":/work scae --cores 4 --configfile mine.yaml    (results appear in ./results)
FROM python:3.11.9-slim-bookworm

WORKDIR /opt/scae
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY Snakefile ./
COPY config config
COPY envs envs
COPY profiles profiles
COPY rules rules
COPY scripts scripts

WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/scae/Snakefile"]
