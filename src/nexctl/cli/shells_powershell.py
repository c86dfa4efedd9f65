"""The completion script for PowerShell, from the same table and by the same algorithm.

No PowerShell was at hand to try it on: the script says so. A test reads its tables back and holds
them against the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nexctl.cli import shells

TABLES = ("Commands", "Aliases", "Options", "Takes", "Arguments", "Values")


def powershell(spec: Mapping[str, Any]) -> str:
    """The script for PowerShell 5.1 and later."""
    tables = tables_of(spec)
    text = "\n".join(_table(name, tables[name]) for name in TABLES)
    return _SCRIPT.replace("@TABLES@", text)


def tables_of(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The tables as the script reads them, a text by a text.

    Takes has "PATH OPTION" for exceptions and "* OPTION" for what most commands share, as the
    other scripts do. Values are words, kinds of cached names and "files", separated by bars.
    """
    takes = {
        pattern: dict(sets)["V"] for patterns, sets in shells.takes(spec) for pattern in patterns
    }
    return {
        "Commands": {path: " ".join(names) for path, names in spec["commands"].items()},
        "Aliases": {
            f"{path} {alias}": name
            for path, names in spec["aliases"].items()
            for alias, name in names.items()
        },
        "Options": {path: " ".join(names) for path, names in spec["options"].items()},
        "Takes": takes,
        "Arguments": dict(spec["arguments"]),
        "Values": {
            number: "|".join((" ".join(words), kinds, files))
            for number, (words, kinds, files) in spec["values"].items()
        },
    }


def _table(name: str, rows: Mapping[str, str]) -> str:
    """A table as a literal here-string, which evaluates nothing: KEY=TEXT, one a line."""
    lines: Iterable[str] = (f"{key}={text}" for key, text in rows.items())
    return "\n".join((f"$Global:__nexctl{name} = __nexctl_read @'", *lines, "'@", ""))


_SCRIPT = r"""# PowerShell completion for nexctl. Generated: do not edit.
# UNTESTED: it was written without a PowerShell to try it on. Please report what is wrong.
# Use it: put  . 'PATH OF THIS FILE'  into the file that $PROFILE names.

# Reads KEY=TEXT lines into a table that tells -v from -V.
function Global:__nexctl_read([string]$text) {
  $table = New-Object System.Collections.Hashtable
  foreach ($line in $text.Split("`n")) {
    $line = $line.TrimEnd("`r")
    $at = $line.IndexOf('=')
    if ($at -ge 0) { $table[$line.Substring(0, $at)] = $line.Substring($at + 1) }
  }
  return $table
}

@TABLES@
# The number of the values that follow an option, empty where none do.
function Global:__nexctl_takes([string]$path, [string]$option) {
  foreach ($key in @("$path $option", "* $option")) {
    if ($Global:__nexctlTakes.ContainsKey($key)) { return $Global:__nexctlTakes[$key] }
  }
  return ''
}

# Names of a kind that only this machine knows; read as text, never run.
function Global:__nexctl_cached([string]$kind) {
  if ($env:NEXCTL_CONFIG_DIR) { $folder = Join-Path $env:NEXCTL_CONFIG_DIR 'cache' }
  elseif ($env:LOCALAPPDATA) { $folder = Join-Path $env:LOCALAPPDATA 'nexctl\nexctl\Cache' }
  elseif ($env:XDG_CACHE_HOME) { $folder = Join-Path $env:XDG_CACHE_HOME 'nexctl' }
  elseif ($IsMacOS) { $folder = Join-Path $HOME 'Library/Caches/nexctl' }
  else { $folder = Join-Path $HOME '.cache/nexctl' }
  $file = Join-Path (Join-Path $folder 'complete') $kind
  if (Test-Path -LiteralPath $file -PathType Leaf) {
    foreach ($line in [System.IO.File]::ReadAllLines($file)) {
      if ($line -cmatch '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$') { $line }
    }
  }
}

# The values of a number.
function Global:__nexctl_values([string]$number) {
  if (-not $number) { return }
  $parts = $Global:__nexctlValues[$number].Split('|')
  if ($parts[0]) { $parts[0].Split(' ') }
  if ($parts[1]) { foreach ($kind in $parts[1].Split(' ')) { __nexctl_cached $kind } }
}

# The words that may stand after $before and begin with $current.
function Global:__nexctl_candidates([string[]]$before, [string]$current) {
  $path = ''; $expect = ''; $ended = $false; $placed = 0
  foreach ($word in $before) {
    if ($expect) { $expect = ''; continue }
    if (-not $ended -and $word -ceq '--') { $ended = $true; continue }
    if (-not $ended -and $word.StartsWith('--')) {
      if (-not $word.Contains('=')) { $expect = __nexctl_takes $path $word }
      continue
    }
    if (-not $ended -and $word.StartsWith('-') -and $word.Length -gt 1) {
      for ($i = 1; $i -lt $word.Length; $i++) {
        $number = __nexctl_takes $path ('-' + $word[$i])
        if ($number) {
          if ($i -eq $word.Length - 1) { $expect = $number }
          break
        }
      }
      continue
    }
    if (-not $Global:__nexctlCommands.ContainsKey($path)) { $placed++; continue }
    if ($Global:__nexctlAliases.ContainsKey("$path $word")) {
      $word = $Global:__nexctlAliases["$path $word"]
    }
    if ($Global:__nexctlCommands[$path].Split(' ') -cnotcontains $word) { return }
    $path = "$path $word".TrimStart(); $ended = $false
  }
  $glue = ''
  if ($expect) { $found = __nexctl_values $expect }
  elseif (-not $ended -and $current.StartsWith('--') -and $current.Contains('=')) {
    $at = $current.IndexOf('=')
    $glue = $current.Substring(0, $at + 1)
    $found = __nexctl_values (__nexctl_takes $path $current.Substring(0, $at))
    $current = $current.Substring($at + 1)
  }
  elseif (-not $ended -and $current.StartsWith('-')) {
    $found = "$($Global:__nexctlOptions[$path])".Split(' ')
  }
  elseif ($Global:__nexctlCommands.ContainsKey($path)) {
    $found = $Global:__nexctlCommands[$path].Split(' ')
  }
  else {
    $numbers = @("$($Global:__nexctlArguments[$path])".Split(' ') | Where-Object { $_ })
    $many = $numbers.Count -gt 0 -and $numbers[-1] -ceq '+'
    if ($many) { $numbers = @($numbers[0..($numbers.Count - 2)]) }
    if ($placed -lt $numbers.Count) { $found = __nexctl_values $numbers[$placed] }
    elseif ($many) { $found = __nexctl_values $numbers[-1] }
    else { return }
  }
  foreach ($word in $found) {
    if ($word -and $word.StartsWith($current, [System.StringComparison]::Ordinal)) { $glue + $word }
  }
}

Register-ArgumentCompleter -Native -CommandName nexctl -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $before = @()
  foreach ($element in @($commandAst.CommandElements | Select-Object -Skip 1)) {
    if ($element.Extent.EndOffset -lt $cursorPosition) {
      $before += $element.Extent.Text.Trim("'", '"')
    }
  }
  foreach ($word in @(__nexctl_candidates $before "$wordToComplete")) {
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $word)
  }
}
"""
