"""The completion scripts of four shells, made from the table in `completion_spec`.

Each script holds the tree as case statements and completes inside the shell: no process is
started, nothing is evaluated. Names that only this machine knows are read from cache files
(see `nexctl.cli.completing`) by shell builtins. The bash script runs on bash 3.2.

All of them follow one algorithm, written out in Python in `nexctl.cli.complete`: walk the words
before the cursor down the tree, skip what options take, then offer options after a dash, commands
in a group, and else the values of the argument.

Long because three of the scripts stand here whole, each as it is installed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Spec = Mapping[str, Any]


def bash(spec: Spec) -> str:
    """The script for bash 3.2 and later."""
    return _BASH.replace("@TABLES@", _tables(spec, _bash_case, "_nexctl_"))


def zsh(spec: Spec) -> str:
    """The script for zsh (`_nexctl`, found through $fpath)."""
    return _ZSH.replace("@TABLES@", _tables(spec, _bash_case, "_nexctl_"))


def fish(spec: Spec) -> str:
    """The script for fish 3."""
    tables = _tables(spec, _fish_switch, "__nexctl_") + "\n" + _fish_takes(spec)
    return _FISH.replace("@TABLES@", tables)


def powershell(spec: Spec) -> str:
    """The script for PowerShell, written without one to try it on."""
    from nexctl.cli.shells_powershell import powershell as made

    return made(spec)


SCRIPTS: dict[str, Callable[[Spec], str]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
    "powershell": powershell,
}

# Variables that the tables set: R words, H their helps, V a values number, A the values numbers of
# the arguments ("+" last: the last one repeats), W words, K kinds of cached names, F "files".
Branch = tuple[Iterable[str], list[tuple[str, str]]]
Writer = Callable[[str, str, Iterable[Branch]], str]


def _tables(spec: Spec, case: Writer, prefix: str) -> str:
    commands = [((path,), [("R", " ".join(names))]) for path, names in spec["commands"].items()]
    aliases = [
        ((f"{path} {alias}",), [("N", name)])
        for path, names in spec["aliases"].items()
        for alias, name in names.items()
    ]
    options = _grouped((path, [("R", " ".join(names))]) for path, names in spec["options"].items())
    taking = takes(spec)
    arguments = [((path,), [("A", numbers)]) for path, numbers in spec["arguments"].items()]
    values = [branch for number in spec["values"] for branch in _values(spec, number)]
    return "\n".join(
        case(f"{prefix}{name}", variables, branches)
        for name, variables, branches in (
            ("commands", "R", commands),
            ("alias", "N", aliases),
            ("options", "R", options),
            ("takes", "V", taking),
            ("arguments", "A", arguments),
            ("values", "W K F", values),
        )
        if not (name == "takes" and case is _fish_switch)
    )


def _grouped(pairs: Iterable[tuple[str, list[tuple[str, str]]]]) -> list[Branch]:
    """Branches with the same answer become one."""
    found: dict[str, tuple[list[str], list[tuple[str, str]]]] = {}
    for pattern, sets in pairs:
        found.setdefault(repr(sets), ([], sets))[0].append(pattern)
    return [(patterns, sets) for patterns, sets in found.values()]


# Lists longer than this are also kept by first letter, so that a shell need not go through all.
_LONG = 60


def _values(spec: Spec, number: str) -> list[Branch]:
    """The values of a number, asked for as "NUMBER FIRST-LETTER" (no letter: all of them)."""
    words, kinds, files = spec["values"][number]
    rest = [("K", kinds), ("F", files)]
    everything: Branch = ((f"{number} *",), [("W", " ".join(words)), *rest])
    if len(words) <= _LONG:
        return [everything]
    letters: dict[str, list[str]] = {}
    for word in words:
        letters.setdefault(word[0], []).append(word)
    return [
        ((f"{number} ",), everything[1]),
        *(((f"{number} {x}",), [("W", " ".join(begun)), *rest]) for x, begun in letters.items()),
        ((f"{number} *",), rest),
    ]


def takes(spec: Spec) -> list[Branch]:
    """Which values follow an option. What most commands share is said once, exceptions first."""
    everywhere: dict[str, list[str]] = {}
    for options in spec["takes"].values():
        for option, number in options.items():
            everywhere.setdefault(option, []).append(number)
    usual = {
        option: max(set(numbers), key=lambda n: (numbers.count(n), n))
        for option, numbers in everywhere.items()
        if len(numbers) > 3
    }
    exceptions = _grouped(
        (f"{path} {option}", [("V", number)])
        for path, options in spec["options"].items()
        for option in options
        if (number := spec["takes"].get(path, {}).get(option, "")) != usual.get(option, "")
    )
    return exceptions + _grouped((f"* {o}", [("V", number)]) for o, number in usual.items())


def _bash_case(name: str, variables: str, branches: Iterable[Branch]) -> str:
    lines = [f"{name}() {{", "  " + " ".join(f"{v}=" for v in variables.split()), "  case $1 in"]
    for patterns, sets in branches:
        spelled = "|".join(map(_bash_pattern, patterns))
        assigned = " ".join(f"{variable}='{value}'" for variable, value in sets if value)
        lines.append(f"    {spelled}) {assigned or ':'} ;;")
    return "\n".join([*lines, "  esac", "}", ""])


def _bash_pattern(pattern: str) -> str:
    """A pattern quoted but for the star that it may begin or end with."""
    head, tail = pattern[:1] == "*", pattern[-1:] == "*"
    return f"{'*' * head}'{pattern.strip('*')}'{'*' * tail}"


def _fish_switch(name: str, variables: str, branches: Iterable[Branch]) -> str:
    lines = [f"function {name}"]
    lines.extend(f"  set -g __nexctl_{variable}" for variable in variables.split())
    lines.append('  switch "$argv[1]"')
    for patterns, sets in branches:
        # Values are asked for with the whole word, of which a pattern has the first letter.
        ends = " *" if name.endswith("values") else ""
        spelled = (p if not ends or p[-1] in ends else f"{p}*" for p in patterns)
        lines.append("    case " + " ".join(f"'{pattern}'" for pattern in spelled))
        lines.extend(
            # W is one string, the others are lists.
            f"      set -g __nexctl_{variable} " + (f"'{value}'" if variable == "W" else value)
            for variable, value in sets
            if value
        )
    return "\n".join([*lines, "  end", "end", ""])


def _fish_takes(spec: Spec) -> str:
    """fish looks through a switch from its top: options first, then the paths of each."""
    found: dict[str, list[tuple[list[str], str]]] = {}
    for patterns, sets in takes(spec):
        paths: dict[str, list[str]] = {}
        for pattern in patterns:
            path, _, option = pattern.rpartition(" ")
            paths.setdefault(option, []).append(path)
        for option, among in paths.items():
            found.setdefault(option, []).append((among, dict(sets)["V"]))
    lines = ["function __nexctl_takes", "  set -g __nexctl_V", '  switch "$argv[2]"']
    # The options that most commands have are found first.
    often = Counter(option for options in spec["takes"].values() for option in options)
    for option, cases in sorted(found.items(), key=lambda item: -often[item[0]]):
        lines += [f"    case '{option}'", '      switch "$argv[1]"']
        for among, number in cases:
            lines.append("        case " + " ".join(f"'{path}'" for path in among))
            lines.append(f"          set -g __nexctl_V {number}")
        lines.append("      end")
    return "\n".join([*lines, "  end", "end", ""])


_BASH = r"""# bash completion for nexctl. Generated: do not edit.

@TABLES@
# Adds the words of $1 that begin with $2 to COMPREPLY, with $3 before each.
_nexctl_add() {
  local word
  for word in $1; do
    case $word in "$2"*) COMPREPLY+=("$3$word") ;; esac
  done
}

_nexctl_cached() {
  local folder line
  if [ -n "${NEXCTL_CONFIG_DIR-}" ]; then
    folder=$NEXCTL_CONFIG_DIR/cache
  else
    case ${XDG_CACHE_HOME-} in
      /*) folder=$XDG_CACHE_HOME/nexctl ;;
      *) case $OSTYPE in
        darwin*) folder=$HOME/Library/Caches/nexctl ;;
        *) folder=$HOME/.cache/nexctl ;;
      esac ;;
    esac
  fi
  [ -r "$folder/complete/$1" ] || return 0
  while IFS= read -r line; do
    case $line in
      ''|-*|*[!A-Za-z0-9._:/@-]*) ;;
      "$2"*) COMPREPLY+=("$line") ;;
    esac
  done < "$folder/complete/$1"
}

# Adds the values of number $1 that begin with $2.
_nexctl_offer() {
  local W K F kind
  _nexctl_values "$1 ${2:0:1}"
  _nexctl_add "$W" "$2"
  for kind in $K; do _nexctl_cached "$kind" "$2"; done
  [ -n "$F" ] && [ ${#COMPREPLY[@]} -eq 0 ] || return 0
  if type compopt >/dev/null 2>&1; then
    if [ "$F" = folders ]; then compopt -o dirnames; else compopt -o default; fi
    return 0
  fi
  local file
  for file in "$2"*; do
    if [ -d "$file" ]; then
      COMPREPLY+=("$file/")
    elif [ "$F" = files ] && [ -e "$file" ]; then
      COMPREPLY+=("$file")
    fi
  done
}

_nexctl() {
  local IFS=$' \t\n' R N V A
  local word words count=0 glue='' index path='' expect='' ended='' placed=0 letters cur head
  words=()
  COMPREPLY=()
  # bash cuts words at = : and @; put them together again.
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    if [ -n "$glue" ]; then
      words[count - 1]+=$word
      glue=
    elif [[ $count -gt 0 && ( $word == [:@] ||
            ( $word == = && ${words[count - 1]} == --* ) ) ]]; then
      words[count - 1]+=$word
      glue=1
    else
      words[count]=$word
      count=$((count + 1))
    fi
  done
  [ $count -gt 0 ] || return 0
  cur=${words[count - 1]}
  for ((index = 0; index < count - 1; index++)); do
    word=${words[index]}
    if [ -n "$expect" ]; then expect=; continue; fi
    if [ -z "$ended" ]; then
      case $word in
        --) ended=1; continue ;;
        --*=*) continue ;;
        --*) _nexctl_takes "$path $word"; expect=$V; continue ;;
        -?*)
          letters=${word#-}
          while [ -n "$letters" ]; do
            _nexctl_takes "$path -${letters:0:1}"
            letters=${letters:1}
            if [ -n "$V" ]; then [ -n "$letters" ] || expect=$V; break; fi
          done
          continue ;;
      esac
    fi
    _nexctl_commands "$path"
    if [ -z "$R" ]; then placed=$((placed + 1)); continue; fi
    _nexctl_alias "$path $word"
    word=${N:-$word}
    case " $R " in *" $word "*) ;; *) return 0 ;; esac
    path="${path:+$path }$word"
    ended=
  done
  if [ -n "$expect" ]; then
    _nexctl_offer "$expect" "$cur"
  elif [ -z "$ended" ] && [[ $cur == --*=* ]]; then
    _nexctl_takes "$path ${cur%%=*}"
    cur=${cur#*=}
    [ -z "$V" ] || _nexctl_offer "$V" "$cur"
  elif [ -z "$ended" ] && [[ $cur == -* ]]; then
    _nexctl_options "$path"
    _nexctl_add "$R" "$cur"
  else
    _nexctl_commands "$path"
    if [ -n "$R" ]; then
      _nexctl_add "$R" "$cur"
    else
      _nexctl_arguments "$path"
      for V in $A; do
        if [ "$V" = + ]; then V=$word; break; fi
        word=$V
        [ $placed -gt 0 ] || break
        placed=$((placed - 1))
        V=
      done
      [ -z "$V" ] || _nexctl_offer "$V" "$cur"
    fi
  fi
  # readline replaces only what stands after the last of the characters it cuts at.
  case $cur in
    *[:@]*)
      head=${cur%"${cur##*[:@]}"}
      for ((index = 0; index < ${#COMPREPLY[@]}; index++)); do
        COMPREPLY[index]=${COMPREPLY[index]#"$head"}
      done ;;
  esac
}

complete -F _nexctl nexctl
"""

_ZSH = r"""#compdef nexctl
# zsh completion for nexctl. Generated: do not edit.

@TABLES@
_nexctl_cached() {
  local folder line
  if [[ -n ${NEXCTL_CONFIG_DIR-} ]]; then
    folder=$NEXCTL_CONFIG_DIR/cache
  elif [[ ${XDG_CACHE_HOME-} == /* ]]; then
    folder=$XDG_CACHE_HOME/nexctl
  elif [[ $OSTYPE == darwin* ]]; then
    folder=$HOME/Library/Caches/nexctl
  else
    folder=$HOME/.cache/nexctl
  fi
  [[ -r $folder/complete/$1 ]] || return 0
  while IFS= read -r line; do
    [[ -z $line || $line == -* || $line == *[^A-Za-z0-9._:/@-]* ]] || found+=("$line")
  done < "$folder/complete/$1"
}

# Offers the values of number $1.
_nexctl_offer() {
  local W K F kind
  local -a found
  _nexctl_values "$1 "
  found=(${=W})
  for kind in ${=K}; do _nexctl_cached "$kind"; done
  (( ${#found} )) && compadd -a found
  case $F in
    files) _files ;;
    folders) _files -/ ;;
  esac
}

_nexctl() {
  emulate -L zsh
  local R N V A word expect='' ended='' letters last='' cur
  local path_='' index placed=0
  local -a found
  cur=$words[CURRENT]
  for (( index = 2; index < CURRENT; index++ )); do
    word=$words[index]
    if [[ -n $expect ]]; then expect=''; continue; fi
    if [[ -z $ended ]]; then
      case $word in
        --) ended=1; continue ;;
        --*=*) continue ;;
        --*) _nexctl_takes "$path_ $word"; expect=$V; continue ;;
        -?*)
          letters=${word#-}
          while [[ -n $letters ]]; do
            _nexctl_takes "$path_ -${letters[1]}"
            letters=${letters[2,-1]}
            if [[ -n $V ]]; then [[ -n $letters ]] || expect=$V; break; fi
          done
          continue ;;
      esac
    fi
    _nexctl_commands "$path_"
    if [[ -z $R ]]; then (( placed += 1 )); continue; fi
    _nexctl_alias "$path_ $word"
    word=${N:-$word}
    [[ " $R " == *" $word "* ]] || return 1
    path_="${path_:+$path_ }$word"
    ended=''
  done
  if [[ -n $expect ]]; then
    _nexctl_offer "$expect"
  elif [[ -z $ended && $cur == --*=* ]]; then
    _nexctl_takes "$path_ ${cur%%=*}"
    [[ -n $V ]] || return 1
    compset -P '*='
    _nexctl_offer "$V"
  elif [[ -z $ended && $cur == -* ]]; then
    _nexctl_options "$path_"
    found=(${=R})
    compadd -a found
  else
    _nexctl_commands "$path_"
    if [[ -n $R ]]; then
      found=(${=R})
      compadd -a found
    else
      _nexctl_arguments "$path_"
      for V in ${=A}; do
        if [[ $V == + ]]; then V=$last; break; fi
        last=$V
        (( placed > 0 )) || break
        (( placed -= 1 ))
        V=''
      done
      [[ -n $V ]] && _nexctl_offer "$V"
    fi
  fi
}

# Loaded by the completion system this file is the function; sourced, it has to say so.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _nexctl "$@"
elif (( $+functions[compdef] )); then
  compdef _nexctl nexctl
fi
"""

_FISH = r"""# fish completion for nexctl. Generated: do not edit.

@TABLES@
function __nexctl_cached
  set -l folder $HOME/.cache/nexctl
  test -d $HOME/Library/Caches; and set folder $HOME/Library/Caches/nexctl
  string match -q '/*' -- "$XDG_CACHE_HOME"; and set folder $XDG_CACHE_HOME/nexctl
  test -n "$NEXCTL_CONFIG_DIR"; and set folder $NEXCTL_CONFIG_DIR/cache
  set folder $folder/complete/$argv[1]
  test -r $folder; or return 0
  # One search of the whole file: a loop over its lines costs 14 us a name.
  if test -z "$argv[2]"
    string match -r '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$' < $folder
  else
    string replace -fr -- '^[A-Za-z0-9._:/@][A-Za-z0-9._:/@-]*$' $argv[2]'$0' < $folder
  end
  return 0
end

# Offers the values of number $argv[1] for the word $argv[2], each with $argv[3] before it.
function __nexctl_offer
  __nexctl_values "$argv[1] $argv[2]"
  set -l kinds $__nexctl_K
  set -l files $__nexctl_F
  # Models are many: one search finds those that begin so. A command substitution costs as much as
  # the search, so there is none where there need not be.
  if test -n "$__nexctl_W"
    set -l begun $argv[2]
    string match -qr '^[A-Za-z0-9._:/@-]*$' -- "$begun"
    or set begun (string escape --style=regex -- "$begun")
    if test -z "$argv[3]"
      string match -r -a -- "(?<= )$begun\S*" " $__nexctl_W"
    else
      set -l words (string match -r -a -- "(?<= )$begun\S*" " $__nexctl_W")
      set -q words[1]; and printf '%s\n' $argv[3]$words
    end
  end
  for kind in $kinds
    __nexctl_cached $kind $argv[3]
  end
  switch "$files"
    case files
      printf '%s\n' $argv[3](__fish_complete_path $argv[2])
    case folders
      printf '%s\n' $argv[3](__fish_complete_directories $argv[2] '')
  end
end

function __nexctl_complete
  set -l words (commandline -opc)
  set -l cur (commandline -ct)
  set -e words[1]
  set -l path ''
  set -l expect ''
  set -l ended ''
  set -l placed
  for word in $words
    if test -n "$expect"
      set expect ''
      continue
    end
    if test -z "$ended"
      switch $word
        case --
          set ended 1
          continue
        case '--*=*'
          continue
        case '--*'
          __nexctl_takes "$path" $word
          set expect "$__nexctl_V"
          continue
        case '-?*'
          set -l letters (string split '' -- (string sub -s 2 -- $word))
          while set -q letters[1]
            __nexctl_takes "$path" -$letters[1]
            set -e letters[1]
            if test -n "$__nexctl_V"
              set -q letters[1]; or set expect $__nexctl_V
              break
            end
          end
          continue
      end
    end
    __nexctl_commands "$path"
    if not set -q __nexctl_R[1]
      set -a placed $word
      continue
    end
    __nexctl_alias "$path $word"
    test -n "$__nexctl_N"; and set word $__nexctl_N
    contains -- $word $__nexctl_R; or return
    if test -n "$path"
      set path "$path $word"
    else
      set path $word
    end
    set ended ''
  end
  if test -n "$expect"
    __nexctl_offer $expect "$cur" ''
  else if test -z "$ended"; and string match -q -- '--*=*' "$cur"
    set -l halves (string split -m 1 = -- $cur)
    __nexctl_takes "$path" $halves[1]
    test -n "$__nexctl_V"; and __nexctl_offer $__nexctl_V "$halves[2]" "$halves[1]="
  else if test -z "$ended"; and string match -q -- '-*' "$cur"
    __nexctl_options "$path"
    printf '%s\n' $__nexctl_R
  else
    __nexctl_commands "$path"
    if set -q __nexctl_R[1]
      printf '%s\n' $__nexctl_R
    else
      __nexctl_arguments "$path"
      set -l last ''
      set -l number ''
      for candidate in $__nexctl_A
        if test $candidate = +
          set number $last
          break
        end
        set last $candidate
        if not set -q placed[1]
          set number $candidate
          break
        end
        set -e placed[1]
      end
      test -n "$number"; and __nexctl_offer $number "$cur" ''
    end
  end
end

complete -c nexctl -f -a '(__nexctl_complete)'
"""
