# bash completion for mailfix(8)

_mailfix() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]}
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "audit probe rules --help --version" -- "$word")
        return
    fi
    case $before in
        --format)
            mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word")
            return
            ;;
        --port)
            mapfile -t COMPREPLY < <(compgen -W "25 465 587 110 143 993 995" -- "$word")
            return
            ;;
    esac
    case $command in
        audit) mapfile -t COMPREPLY < <(compgen -W "--format --help" -- "$word") ;;
        probe)
            if [[ $word == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "--port --format --timeout --help" -- "$word")
            else
                mapfile -t COMPREPLY < <(compgen -A hostname -- "$word")
            fi
            ;;
        rules)
            local folders=(/usr/share/mailfix/rules/*/)
            folders=("${folders[@]%/}")
            mapfile -t COMPREPLY < <(compgen -W "${folders[*]##*/} --help" -- "$word")
            ;;
    esac
}

complete -F _mailfix mailfix
