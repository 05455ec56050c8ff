"""How the code of functions runs: environments, modules, output and concurrency."""
