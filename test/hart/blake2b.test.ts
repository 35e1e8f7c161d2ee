import { test } from 'tap'
import { Blake2b } from '../../src/hart/blake2b.ts'

test('BLAKE2b gives the published values, for bytes in any pieces', (t) => {
  t.equal(new Blake2b().digest(), '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8')
  const abc = 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319'
  t.equal(new Blake2b().update(Buffer.from('abc')).digest(), abc)
  t.equal(
    new Blake2b().update(Buffer.from('a')).update(Buffer.alloc(0)).update(Buffer.from('bc')).digest(),
    abc,
  )
  t.end()
})

test('interleaved hashes do not affect each other', (t) => {
  const one = new Blake2b().update(Buffer.from('a'))
  const other = new Blake2b().update(Buffer.alloc(1000, 7))
  one.update(Buffer.from('b'))
  t.equal(new Blake2b().digest(), '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8')
  other.update(Buffer.alloc(500, 8))
  t.equal(
    one.update(Buffer.from('c')).digest(),
    'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  )
  t.equal(
    other.digest(),
    new Blake2b().update(Buffer.concat([Buffer.alloc(1000, 7), Buffer.alloc(500, 8)])).digest(),
  )
  t.end()
})

test('a hash goes on from a saved state', (t) => {
  const begun = new Blake2b().update(Buffer.from('a'))
  const state = begun.save()
  begun.update(Buffer.from('x'))
  t.equal(
    new Blake2b(state).update(Buffer.from('bc')).digest(),
    'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  )
  t.equal(begun.digest(), new Blake2b().update(Buffer.from('ax')).digest(), 'which stays as it is')
  t.end()
})
