/** Explains commands that work over HTTP and on a data folder. */
export const LOCAL_TOO =
  '\nWithout --url, --profile and HART_DEPOT_URL, it works on the data of a depot on this machine: DEPOT_DATA, ./data or /var/lib/hart-depot.'

const OPTION = /^--(?:url|profile)(?:=|$)/

/**
 * Reports whether a command line or the environment names a depot. A stored profile does not, because people
 * administer data folders, too.
 */
export function namesDepot(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return args.some((arg) => OPTION.test(arg)) || (env['HART_DEPOT_URL'] ?? '') !== ''
}
