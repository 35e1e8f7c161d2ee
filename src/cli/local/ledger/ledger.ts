import { formatCheckpoint, parseCheckpoint, takeCheckpoint } from '../../../audit/checkpoint.ts'
import type { Checkpoint } from '../../../audit/checkpoint.ts'
import {
  formatVerifierKey,
  parseNote,
  parseVerifierKey,
  signNote,
  verifyNote,
} from '../../../audit/signed-note.ts'
import { findSigningKey, listOwnKeys } from '../../../lockfiles/depot-key-store.ts'
import { depotKeyPurpose } from '../../../origins/secret-purposes.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { Output, outputOptions } from '../../output.ts'
import { readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'
import { makeDepotKey } from '../secrets/keys.ts'
import { readDepot } from '../read-depot.ts'
import { openSecrets } from '../secrets/secret-key.ts'

export const ledgerCheckpoint: Define = (command, io) =>
  outputOptions(command)
    .option('--verifier-key', 'print only the public key that verifies checkpoints')
    .addHelpText(
      'after',
      `${examples([
        ['ledger checkpoint > depot.checkpoint', 'write the signed head of the ledger'],
        ['ledger checkpoint --verifier-key', 'print the key that a witness or an auditor needs'],
      ])}

Keep checkpoints where the operators of the depot cannot change them. hart-depot verify --checkpoint FILE tells later whether history was
rewritten since. The format is that of c2sp.org/tlog-checkpoint. Can run beside a server.`,
    )
    .action(async ({ verifierKey = false, ...options }) => {
      const config = readLocalConfig(io)
      if ((await readDepot(config, findSigningKey)) === undefined)
        await makeDepotKey(config, io, { isFirst: true })
      const signing = await readDepot(config, findSigningKey)
      if (signing === undefined) throw new Error('the depot has no key although one was just made')
      const checkpoint = await readDepot(config, (db) => takeCheckpoint(db, config.publicUrl), {
        isSnapshot: true,
      })
      const { key, sealed } = signing
      const pem = (await openSecrets(config)).open(sealed, depotKeyPurpose(key.id))
      const noteKey = { name: checkpoint.origin, key }
      const note = signNote(formatCheckpoint(checkpoint), noteKey, { id: key.id, pem })
      const verifier = formatVerifierKey(noteKey)
      const { origin, size, root } = checkpoint
      new Output(io, options).show(
        { origin, size, root: root.toString('base64'), verifier_key: verifier, note },
        {
          whole: () => (verifierKey ? verifier : note.trimEnd()),
          brief: () => [verifierKey ? verifier : note.trimEnd()],
        },
      )
    })

/**
 * Parses a signed checkpoint and verifies its signature. Without `verifierKey`, a key of this depot must have
 * signed it. Throws `invalid_request` for a malformed checkpoint, `key_malformed` for a malformed verifier
 * key, and `signature_invalid`.
 */
export async function verifiedCheckpoint(
  config: LocalConfig,
  text: string,
  verifierKey: string | undefined,
): Promise<Checkpoint> {
  const note = parseNote(text)
  const checkpoint = parseCheckpoint(note.text)
  const keys =
    verifierKey === undefined
      ? (await readDepot(config, (db) => listOwnKeys(db))).map(({ key }) => ({
          name: checkpoint.origin,
          key,
        }))
      : [parseVerifierKey(verifierKey)]
  verifyNote(note, keys)
  return checkpoint
}
