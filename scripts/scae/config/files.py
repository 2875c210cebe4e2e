"""Config files: check them for mistakes that YAML accepts silently, or that Snakemake reports without the file's name.

Snakemake reads the files of ``--configfile`` before the workflow; profiles/ make it call `check_all` first.
"""

import json
import sys
from pathlib import Path

import yaml

from scae.errors import UserError, one_line


class _StrictLoader(yaml.SafeLoader):
    """YAML without duplicate keys, of which the plain loader silently keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                raise UserError(
                    f'config: {self.name}: key "{key.value}" is given twice, in lines {seen[key.value]} and '
                    f"{key.start_mark.line + 1}; remove one"
                )
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def read(file):
    """The content of a config file as a dict.

    Raises:
        UserError: as `check`.
    """
    check(file)
    text = _read(file)
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def check(file):
    """Check that a file is a config: keys with values, each key once.

    Raises:
        UserError: naming the file, the line and what to do.
    """
    text = _read(file)
    try:
        content = _parse(text, file)
    except UserError:
        raise
    except RecursionError:
        raise UserError(f"config: {file}: is nested too deeply; a config has a few levels") from None
    except yaml.YAMLError as error:
        raise UserError(f"config: {file}: {_describe(error, text)}") from None
    except (ValueError, TypeError, AttributeError) as error:  # such as an impossible date
        raise UserError(f"config: {file}: contains a value that YAML cannot read ({error}); put it in quotes") from None
    if content is None:
        raise UserError(f"config: {file}: is empty; add a key, or leave the file out")
    if not isinstance(content, dict):
        raise UserError(
            f"config: {file}: is a {type(content).__name__}, not keys with values; write `run: …` and so on"
        )
    if not isinstance(content.get("pathvars", {}), dict):  # which Snakemake itself reads
        raise UserError(f"config: {file}: pathvars: must have keys, such as `results: my_results`")


def _parse(text, file):
    """The content of a config file; Snakemake too tries JSON first, whatever the name of the file."""
    try:
        return json.loads(text)
    except ValueError:
        loader = _StrictLoader(text)
        loader.name = str(file)
        content = loader.get_single_data()
        _refuse_recursion(content, file)
        return content


def check_all(arguments, folder):
    """Check the default config beside the Snakefile and the files of ``--configfile``; exit if one is wrong.

    Args:
        arguments: of the command, as in ``sys.argv``.
        folder: the folder of the Snakefile.
    """
    from scae.config import command_line

    try:
        default, given = Path(folder, "config/config.yaml"), command_line.config_files(arguments)
        command_line.refuse_late_targets(given, folder)
        for file in [*([default] if default.exists() else []), *given]:
            check(file)
    except UserError as error:
        sys.exit(one_line(str(error)))


def _read(file):
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        if str(file).startswith("~"):
            raise UserError(
                f"config: {file}: the shell expands ~ only after a space; write --configfile {file}"
            ) from None
        raise UserError(f"config: {file}: does not exist (looked in {Path.cwd()}); give the path of a file") from None
    except OSError as error:
        raise UserError(f"config: {file}: cannot be read ({error.strerror.lower()}); give another file") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"config: {file}: line {line}: is not UTF-8 (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        ) from None


def _refuse_recursion(value, file, above=()):
    if isinstance(value, (dict, list)):
        if any(value is one for one in above):
            raise UserError(f"config: {file}: an alias (*name) refers to itself; write out its value")
        for below in value.values() if isinstance(value, dict) else value:
            _refuse_recursion(below, file, (*above, value))


def _describe(error, text):
    """The YAML error with its line, and what to do."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML does not allow
        return f"is not valid YAML ({str(error).splitlines()[0]}); remove that character"
    line = mark.line + 1
    lines = text.splitlines()
    written = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return f"line {line}: is indented with a tab; YAML allows only spaces"
    if "expected a single document" in str(error):
        return f"line {line}: --- starts a second document; write one, or give two files"
    if "expected <block end>" in str(error.problem):
        return f"line {line}: is indented differently from the lines around it; give keys of one level the same spaces"
    return f"line {line}: is not valid YAML ({error.problem}); is a colon, quote or bracket missing here or above?"
