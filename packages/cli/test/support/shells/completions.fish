# fish --no-config completions.fish FOLDER LINE...: prints what the script in FOLDER completes each line with.
source $argv[1]/live-response.fish
for line in $argv[2..]
    echo "$line =>" (complete -C "$line" | string split -f 1 \t)
end
