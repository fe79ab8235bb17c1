# bash --norc completions.bash FOLDER LINE...: prints what the script in FOLDER completes each line with.
source "$1/live-response"
for line in "${@:2}"; do
  read -ra COMP_WORDS <<<"$line"
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  _live_response live-response "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  echo "$line => ${COMPREPLY[*]}"
done
