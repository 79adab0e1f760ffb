complete --keep-order --exclusive --command chaos --arguments "(CHAOS_COMPLETE=fish chaos -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
