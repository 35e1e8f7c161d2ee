// Commands that make a Supervisor follow a view; docs/supervisors.md explains their options.

/** The command that loads a service which follows a view. `depotUrl` has no slash at its end. */
export function loadCommand(depotUrl: string, view: string, packageName: string): string {
  return `hab svc load ${packageName} ${optionsOf(depotUrl, view)}`
}

/** The command that makes a loaded service follow a view. */
export function updateCommand(depotUrl: string, view: string, packageName: string): string {
  return `hab svc update ${packageName} ${optionsOf(depotUrl, view)}`
}

function optionsOf(depotUrl: string, view: string): string {
  return [
    '\\',
    `  --url ${depotUrl}/v1/depot/views/${encodeURIComponent(view)} \\`,
    `  --channel ${view} \\`,
    '  --strategy rolling \\',
    '  --update-condition track-channel',
  ].join('\n')
}
