# frozen_string_literal: true

require 'minitest/autorun'
require 'tempfile'
require 'habitat/blake2b'

# The expected values are those of `b2sum -l 256`.
class Blake2bTest < Minitest::Test
  VECTORS = {
    '' => '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8',
    'abc' => 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
    ('hart' * 25_000)[0, 127] => 'd58fa9fb62c5f6f60244558880ec1cc0855c26fb2092862f9aadbe1ab08225f9',
    ('hart' * 25_000)[0, 128] => 'e68f146ec5be3763e136805b344e5c6998351199b3d4982804c2ce8cd498a50c',
    ('hart' * 25_000)[0, 129] => 'cd547f6172b75e6d5118b614ce72bde7bd64b848390bad33d7a19bc628287e25',
    ('hart' * 25_000)[0, 256] => '9e7c912f8fd4351efe9d5856599a43785ac121a671e338f24e3b9a0bcd47ddfd',
    ('hart' * 25_000)[0, 100000] => '57613f3e5f2ded8e92ccf81dce21a91e2e452208abfd9d19e84bfe580db4eb67'
  }.freeze

  def test_ruby_computes_what_b2sum_does
    VECTORS.each { |text, expected| assert_equal expected, Habitat::Blake2b.new.update(text).hexdigest }
  end

  def test_pieces_may_have_any_size
    [1, 127, 128, 129, 255].each do |size|
      VECTORS.select { |text, _expected| text.size <= 256 }.each do |text, expected|
        digest = Habitat::Blake2b.new
        text.scan(/.{1,#{size}}/).each { |piece| digest.update(piece) }
        assert_equal expected, digest.hexdigest
      end
    end
  end

  def test_a_file_has_the_same_checksum_with_and_without_b2sum
    Tempfile.create("name with ' and \\") do |file|
      file.write('hart' * 25_000)
      file.flush
      expected = VECTORS.fetch('hart' * 25_000)
      assert_equal expected, Habitat::Blake2b.file(file.path)
      assert_equal expected, without_programs { Habitat::Blake2b.file(file.path) }
    end
  end

  def test_a_missing_file_is_an_error_with_and_without_b2sum
    assert_raises(Errno::ENOENT) { Habitat::Blake2b.file('/nowhere/a.hart') }
    assert_raises(Errno::ENOENT) { without_programs { Habitat::Blake2b.file('/nowhere/a.hart') } }
  end

  private

  def without_programs
    path = ENV.fetch('PATH')
    ENV['PATH'] = '/nowhere'
    yield
  ensure
    ENV['PATH'] = path
  end
end
