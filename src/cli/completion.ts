import { examples } from './command.ts'
import type { Define } from './command.ts'

// The scripts ask `hart-depot __complete -- WORDS`, which prints a candidate and its description in each
// line; see complete.ts. Without candidates, they complete the names of files.

const BASH = String.raw`# bash completion of hart-depot
_hart_depot() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("${'$'}{line%%${'$'}'\t'*}")
  done < <("$1" __complete -- "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
  if [[ ${'$'}{COMPREPLY[0]-} == */ ]]; then compopt -o nospace; fi
}
complete -o default -F _hart_depot hart-depot
`

const ZSH = String.raw`#compdef hart-depot
# zsh completion of hart-depot
_hart_depot() {
  local line
  local -a whole begun
  for line in "${'$'}{(@f)$("${'$'}{words[1]}" __complete -- "${'$'}{(@)words[2,CURRENT]}" 2> /dev/null)}"; do
    case $line in
      '') ;;
      */) begun+=("$line") ;;
      *) whole+=("${'$'}{${'$'}{line//:/\\:}/${'$'}'\t'/:}") ;;
    esac
  done
  if (( ! ${'$'}#whole && ! ${'$'}#begun )); then
    _files
    return
  fi
  if (( ${'$'}#begun )); then compadd -S '' -a begun; fi
  if (( ${'$'}#whole )); then _describe 'hart-depot' whole; fi
}
# zsh runs this file as a function when it was found in $fpath.
if [[ ${'$'}{funcstack[1]-} == _hart-depot ]]; then _hart_depot "$@"; else compdef _hart_depot hart-depot; fi
`

const FISH = String.raw`# fish completion of hart-depot
function __hart_depot_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found ($words[1] __complete -- $words[2..-1] 2> /dev/null)
  if test (count $found) -eq 0
    __fish_complete_path (commandline -ct)
  else
    printf '%s\n' $found
  end
end
complete -c hart-depot -f -a '(__hart_depot_complete)'
`

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH }

export const completion: Define = (command, io) =>
  command
    .addArgument(command.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `${examples([
        ['completion bash > ~/.local/share/bash-completion/completions/hart-depot', 'complete in bash'],
        ['completion fish > ~/.config/fish/completions/hart-depot.fish', 'complete in fish'],
        ['completion zsh > ~/.zfunc/_hart-depot', 'complete in zsh, if ~/.zfunc is in $fpath'],
      ])}

Views, idents, origins, accounts and webhooks come from the depot that the command line names, or from the current profile.`,
    )
    .action((shell) => {
      io.stdout.write(SCRIPTS[shell])
    })
