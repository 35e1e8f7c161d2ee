import { test } from 'tap'
import { formatCheckpoint, parseCheckpoint } from '../../src/audit/checkpoint.ts'
import {
  formatVerifierKey,
  parseNote,
  parseVerifierKey,
  signNote,
  verifyNote,
} from '../../src/audit/signed-note.ts'
import { MerkleTree } from '../../src/ledger/merkle-tree.ts'
import { generateDepotKey } from '../../src/lockfiles/depot-key.ts'

// Known answers: the roots of RFC 6962's reference implementation, and the example of Go's package
// golang.org/x/mod/sumdb/note.

const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const GO_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const GO_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`

test('the roots of trees are those of RFC 6962', async (t) => {
  const tree = new MerkleTree()
  for (const [size, root] of ROOTS.entries()) {
    t.equal(tree.root().toString('hex'), root, `${size} leaves`)
    const leaf = LEAVES[size]
    if (leaf !== undefined) tree.add(leaf)
  }
})

test('a note of another implementation is verified, and no altered one', async (t) => {
  const key = parseVerifierKey(GO_KEY)
  t.equal(formatVerifierKey(key), GO_KEY)
  t.equal(verifyNote(parseNote(GO_NOTE), [key]).name, 'PeterNeumann')
  const altered = parseNote(GO_NOTE.replace('problem,', 'problem.'))
  t.throws(() => verifyNote(altered, [key]), { code: 'signature_invalid', message: /altered/ })
  t.throws(() => verifyNote(parseNote(GO_NOTE), []), {
    code: 'signature_invalid',
    message: /none of the known/,
  })
  for (const wrong of [
    '',
    'text\n',
    'text\n\n',
    'text\n\n- a b\n',
    'text\n\n— a+b AAAAAAAA\n',
    GO_NOTE.replace('\n', '\r\n'),
  ])
    t.throws(() => parseNote(wrong), { code: 'invalid_request' }, JSON.stringify(wrong))
  for (const wrong of [
    '',
    'a+00000000+AQ==',
    GO_KEY.replace('c74f', 'c74e'),
    GO_KEY.replace('Peter', 'Paul'),
  ])
    t.throws(() => parseVerifierKey(wrong), { code: 'key_malformed' }, wrong)
})

test('a checkpoint is signed, cosigned by others, and read again', async (t) => {
  const [ours, witness] = [generateDepotKey(), generateDepotKey()]
  const checkpoint = { origin: 'depot.example/ledger', size: 42, root: Buffer.alloc(32, 7) }
  const text = formatCheckpoint(checkpoint)
  t.strictSame(parseCheckpoint(`${text}an extension\n`), checkpoint)
  const note = signNote(text, { name: checkpoint.origin, key: ours.publicKey }, ours.secretKey)
  const cosigned = signNote(text, { name: 'witness.example', key: witness.publicKey }, witness.secretKey)
  const both = `${note}${cosigned.slice(text.length + 1)}`
  const known = { name: checkpoint.origin, key: ours.publicKey }
  t.strictSame(parseCheckpoint(parseNote(both).text), checkpoint)
  t.equal(verifyNote(parseNote(both), [known]), known)
  t.throws(() => verifyNote(parseNote(both), [{ ...known, name: 'another.example' }]), {
    code: 'signature_invalid',
  })
  for (const wrong of [
    '\n1\nAAAA\n',
    text.replace('42', '042'),
    text.replace('42', '-1'),
    text.replace('Bw', 'B'),
  ])
    t.throws(() => parseCheckpoint(wrong), { code: 'invalid_request' }, JSON.stringify(wrong))
})
