# make run    the default analysis (V=1 shows each job)   make test   lint and all tests
# make check  lint, unit tests, one toy run  make lint   format and lint checks alone
# make docs   config/README.md and results/README.md
# make bench  speed and memory of training   make test-slurm   tests on a private SLURM (root, Debian)
# make bench-scale   memory and time of every rule as the cells get more
# make test-gpu   tests on a CUDA device     make bench-gpu   speed of training on one against the CPU
# make models-page   which representation when -> docs/models.md, docs/without-labels.md
# make interruptions   kills at random moments   make verify A=… B=…   compares two manifests
PYTHON ?= python3
CORES ?= 4
BIN := .venv/bin

.PHONY: run check test test-slurm test-gpu lint bench bench-scale bench-gpu verify interruptions models-page docs constraints clean

run: .venv/installed
	$(BIN)/snakemake --cores $(CORES) $(if $(V),-p)

# A worker for each processor; each takes some 1.5 GB
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --no-loadscope-reorder

check: .venv/installed-dev lint
	$(PYTEST) tests/workflow/test_contract.py tests/unit

test: .venv/installed-dev lint
	$(PYTEST)

# Installs SLURM from Debian's packages where it is missing, and stops what it has started.
test-slurm: .venv/installed-dev
	$(BIN)/python -m pytest tests/slurm

# Where there is no CUDA device its tests are skipped and say so.
test-gpu: .venv/installed-dev
	$(BIN)/python -m pytest tests/gpu

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow rules
	$(BIN)/snakemake --lint

# PBMC3K=path/to/pbmc3k_filtered_gene_bc_matrices.tar.gz adds the measurements on PBMC3k
bench: .venv/installed
	$(BIN)/python benchmarks/bench.py all $(if $(PBMC3K),--archive $(PBMC3K))

# A run of everything for each number of CELLS, in scale/; a second one does what is left
CELLS ?= 2600 20000 60000 200000
bench-scale: .venv/installed
	$(BIN)/python benchmarks/bench_scale.py --cells $(CELLS)

# Simulated cells, 200,000 x 20,000 at most
bench-gpu: .venv/installed
	$(BIN)/python benchmarks/bench_gpu.py

# A and B: what `snakemake manifest` wrote in two runs
verify: .venv/installed
	$(BIN)/python tools/verify.py $(A) $(B)

# Kill -9 at random moments of whole runs; the results must be those of an undisturbed one
KILLS ?= 20
interruptions: .venv/installed-dev
	KILLS=$(KILLS) $(BIN)/python -m pytest tests/workflow/test_interruptions.py -k "kills and ordinary"

# The run on real cells stays in models-page/; a second one does what is left.
# DATA=folder has copies of the downloads
models-page: .venv/installed-dev
	PYTHONPATH=scripts $(BIN)/python studies/simulated.py $(CORES)
	PYTHONPATH=scripts CORES=$(CORES) $(BIN)/python studies/models.py models-page $(DATA)
	PYTHONPATH=scripts $(BIN)/python studies/without_labels.py

docs: .venv/installed
	$(BIN)/python tools/config_table.py
	$(BIN)/python tools/results_table.py

# The versions of all indirect dependencies, from a fresh environment.
constraints:
	rm -rf .venv-constraints
	$(PYTHON) -m venv .venv-constraints
	sed '/^-[cr]/d' requirements.txt requirements-scvi.txt requirements-dev.txt > .venv-constraints/direct.txt
	.venv-constraints/bin/pip install -r .venv-constraints/direct.txt
	.venv-constraints/bin/python tools/constraints.py .venv-constraints/direct.txt > constraints.txt
	rm -rf .venv-constraints

.venv/installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"scae needs Python 3.11 or newer; $(PYTHON) is {sys.version.split()[0]}. Run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt requirements-scvi.txt .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv .snakemake .pytest_cache .ruff_cache
