# zsh -f completions.zsh FOLDER LINE...: prints what the script in FOLDER completes each line with. An interactive zsh is needed,
# so each line is typed into one, in which compadd prints the matches.
if [[ -o interactive ]]; then
  autoload -U compinit && compinit -u -D
  compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
      builtin compadd "$@"
      return
    fi
    local -a hits
    builtin compadd -A hits "$@"
    (( $#hits )) && print -rl -- "HIT:"${^hits}
    return 0
  }
  complete-and-exit() {
    _main_complete "$@"
    print -r -- "DONE"
    exit
  }
  zle -C complete-and-exit complete-word complete-and-exit
  bindkey '^I' complete-and-exit
  return
fi
zmodload zsh/zpty
for line in "${@[2,-1]}"; do
  zpty shell zsh -f -i
  zpty -w shell "PROMPT=; fpath=($1 \$fpath); source $0"
  zpty -w shell "$line"$'\t'
  zpty -r -m shell out '*DONE*'
  hits=(${(M)${(f)${out//$'\r'/}}:#*HIT:*})
  print -r -- "$line => ${(j: :)hits##*HIT:}"
  zpty -d shell
done
