# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_chaos_global_optspecs
    string join \n h/help V/version
end

function __fish_chaos_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_chaos_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_chaos_using_subcommand
    set -l cmd (__fish_chaos_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c chaos -n "__fish_chaos_needs_command" -s h -l help -d 'Print help'
complete -c chaos -n "__fish_chaos_needs_command" -s V -l version -d 'Print version'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "run" -d 'Run an experiment: baseline, faults, rollback, recovery, report'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "plan" -d 'Print every step of an experiment with its undo; contacts and touches nothing'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "validate" -d 'Check experiment files, or every one in a folder; all problems at once'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "rollback" -d 'Undo what a run left behind that was killed: needs neither its file nor its process'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "stop" -d 'End a run under way, from anywhere: waits until everything is undone and read back'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "doctor" -d 'Say what protects this machine, what was left behind and which faults work here; changes nothing'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "report" -d 'Render the report of a run again, in any format, from its stored events'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "history" -d 'List the runs that are kept: when, what, verdict, impact, duration'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "compare" -d 'Say what changed from one run to another'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "demo" -d 'Serve the embedded system under test: gateway -> retriever, generator'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "proxy" -d 'Serve proxies that Toxiproxy\'s clients steer: the data plane on its own'
complete -c chaos -n "__fish_chaos_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c chaos -n "__fish_chaos_using_subcommand run" -l var -d 'Give a variable of the file a value; repeatable, goes before the environment and the file\'s own `vars`' -r
complete -c chaos -n "__fish_chaos_using_subcommand run" -l policy -d 'A policy that holds as well as those in /etc/chaos (it can only narrow them); repeatable' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand run" -l approve -d 'Run only the plan of this digest, as `chaos plan` printed it; anything else is refused' -r
complete -c chaos -n "__fish_chaos_using_subcommand run" -l seed -d 'The seed of every random choice; the report prints it, the same seed repeats the choices' -r
complete -c chaos -n "__fish_chaos_using_subcommand run" -l report -d 'Also write the report to a file, by its extension: .txt, .json, .xml (JUnit), .md or .html; repeatable' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand run" -l output -d 'How the report on stdout is written' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c chaos -n "__fish_chaos_using_subcommand run" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand run" -l keep -d 'How many run folders are kept: after the run the oldest finished ones beyond that go' -r
complete -c chaos -n "__fish_chaos_using_subcommand run" -l dry-run -d 'Observer mode: the same phases, probes and stop conditions, but nothing is injected'
complete -c chaos -n "__fish_chaos_using_subcommand run" -s q -l quiet -d 'Say nothing on stderr while running'
complete -c chaos -n "__fish_chaos_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand plan" -l var -d 'Give a variable of the file a value; repeatable, goes before the environment and the file\'s own `vars`' -r
complete -c chaos -n "__fish_chaos_using_subcommand plan" -l policy -d 'A policy that holds as well as those in /etc/chaos (it can only narrow them); repeatable' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand plan" -l output -d 'How the plan is written' -r -f -a "text\t'For people'
json\t'For machines, with every setting'
yaml\t'The same as YAML'"
complete -c chaos -n "__fish_chaos_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand validate" -l var -d 'Give a variable of the files a value; repeatable' -r
complete -c chaos -n "__fish_chaos_using_subcommand validate" -l policy -d 'A policy that holds as well as those in /etc/chaos (it can only narrow them); repeatable' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand validate" -s h -l help -d 'Print help'
complete -c chaos -n "__fish_chaos_using_subcommand rollback" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand rollback" -l all -d 'Every run that was not brought to its end'
complete -c chaos -n "__fish_chaos_using_subcommand rollback" -l scan -d 'Whatever carries the mark of a run whose tool and guardian are dead, also where no journal tells of it'
complete -c chaos -n "__fish_chaos_using_subcommand rollback" -s h -l help -d 'Print help'
complete -c chaos -n "__fish_chaos_using_subcommand stop" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand stop" -l all -d 'Every run that is under way'
complete -c chaos -n "__fish_chaos_using_subcommand stop" -s h -l help -d 'Print help'
complete -c chaos -n "__fish_chaos_using_subcommand doctor" -l output -d 'How the findings are written' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c chaos -n "__fish_chaos_using_subcommand doctor" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand doctor" -l print-unit -d 'Print a systemd unit instead, which rolls back at boot what the last boot left'
complete -c chaos -n "__fish_chaos_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand report" -l format -d 'How the report is written' -r -f -a "text\t'For people, on a terminal'
json\t'For machines; every field is documented'
junit\t'For CI: one test case for each expectation, fault and the rollback'
markdown\t'For a pull request or a job\'s summary'
html\t'For people, with time lines: one file that needs no network'"
complete -c chaos -n "__fish_chaos_using_subcommand report" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand history" -l output -d 'How the list is written' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c chaos -n "__fish_chaos_using_subcommand history" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand compare" -l output -d 'How the comparison is written' -r -f -a "text\t'For people'
json\t'For machines'"
complete -c chaos -n "__fish_chaos_using_subcommand compare" -l fail-on -d 'End with exit code 1 when this is found' -r -f -a "regression\t'Something got worse for sure: the verdict, the recovery, an expectation, or a number beyond its interval'"
complete -c chaos -n "__fish_chaos_using_subcommand compare" -l state-dir -d 'Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l gateway-listen -d 'Where the gateway listens' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l retriever-listen -d 'Where the retriever listens' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l generator-listen -d 'Where the generator listens' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l retriever -d 'Where the gateway reaches the retriever, for instance through a proxy [default: where it listens]' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l generator -d 'Where the gateway reaches the generator, for instance through a proxy [default: where it listens]' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l serve -d 'Which of the services run in this process' -r -f -a "gateway\t'Takes the questions'
retriever\t'Finds documents'
generator\t'Writes answers'"
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l attempts -d 'How often the gateway tries a call, the first time included' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l backoff -d 'Pause between two tries' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l timeout -d 'How long the gateway waits for one call' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l breaker-failures -d 'Circuit breaker: open after so many failed calls to the generator in a row' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l breaker-cooldown -d 'Circuit breaker: how long it stays open before one call is let through' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l work -d 'Extra time that each service takes for each request' -r
complete -c chaos -n "__fish_chaos_using_subcommand demo" -l fallback -d 'Answer from the documents alone when the generator fails'
complete -c chaos -n "__fish_chaos_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c chaos -n "__fish_chaos_using_subcommand proxy" -l listen -d 'Where the control API listens' -r
complete -c chaos -n "__fish_chaos_using_subcommand proxy" -l config -d 'Proxies to begin with, in Toxiproxy\'s JSON format; each may have `toxics`' -r -F
complete -c chaos -n "__fish_chaos_using_subcommand proxy" -l seed -d 'The seed of every random choice; printed at the start, the same seed repeats the choices' -r
complete -c chaos -n "__fish_chaos_using_subcommand proxy" -s h -l help -d 'Print help'
complete -c chaos -n "__fish_chaos_using_subcommand completions" -s h -l help -d 'Print help'
