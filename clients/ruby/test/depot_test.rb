# frozen_string_literal: true

require 'minitest/autorun'
require 'tmpdir'
require 'habitat/client'

# A client and a depot that runs at DEPOT_URL, whose administrator has the token DEPOT_TOKEN. FILES has packages and
# keys of the origin acme, which the depot does not have yet, and its view delivered is frozen.
class DepotTest < Minitest::Test
  URL = ENV.fetch('DEPOT_URL')
  FILES = ENV.fetch('FILES')
  KEY = 'acme-20260101000000'

  def setup
    @depot = Habitat::Client.new("#{URL}/v1/depot", token: ENV.fetch('DEPOT_TOKEN'))
    @anonymous = Habitat::Client.new(URL)
  end

  def test_a_package_is_uploaded_promoted_shown_and_fetched
    release = 'acme/pandas/0.1.0/20260101120000'
    assert_equal true, @depot.put_package(hart(release))
    assert_equal true, @depot.put_package(hart(release)), 'the same file may be uploaded again'
    assert_equal true, @depot.promote_package(release, 'acceptance')
    assert_equal true, @depot.promote_package(release, 'acceptance'), 'a promotion may be repeated'
    acceptance = Habitat::Client.new("#{URL}/v1/depot/views/acceptance")
    [@depot, @anonymous, acceptance].each do |client|
      %w[acme/pandas acme/pandas/0.1.0 acme/pandas/0.1.0/20260101120000].each do |ident|
        shown = client.show_package(ident)
        assert_equal release, shown['ident'].values_at('origin', 'name', 'version', 'release').join('/')
        Dir.mktmpdir do |folder|
          file = client.fetch_package(ident, folder)
          assert_equal [File.basename(file)], Dir.children(folder)
          assert_equal File.basename(hart(release)), File.basename(file)
          assert_equal File.binread(hart(release)), File.binread(file)
          assert_equal Habitat::Blake2b.file(file), shown['checksum']
        end
      end
    end
  end

  def test_the_folder_of_a_download_is_by_default_the_one_the_caller_is_in
    @depot.put_package(hart('acme/here/1.0.0/20260101120000'))
    Dir.mktmpdir do |folder|
      Dir.chdir(folder) do
        file = @depot.fetch_package('acme/here')
        assert_equal './acme-here-1.0.0-20260101120000-x86_64-linux.hart', file
        assert File.exist?(file)
      end
    end
  end

  def test_a_large_package_travels_in_both_directions
    release = 'acme/large/1.0.0/20260101120000'
    @depot.put_package(hart(release))
    Dir.mktmpdir do |folder|
      assert_equal Habitat::Blake2b.file(hart(release)), Habitat::Blake2b.file(@depot.fetch_package(release, folder))
    end
  end

  def test_a_package_for_windows_is_named_by_its_target
    release = 'acme/panes/1.0.0/20260101120000'
    @depot.put_package(hart(release, 'x86_64-windows'))
    @depot.promote_package(release, 'acceptance')
    assert_equal 404, assert_raises(Habitat::ShowError) { @depot.show_package('acme/panes') }.status
    Dir.mktmpdir do |folder|
      file = @depot.fetch_package('acme/panes', folder, target: 'x86_64-windows')
      assert_equal File.binread(hart(release, 'x86_64-windows')), File.binread(file)
    end
  end

  def test_a_token_in_the_url_works_as_with_the_published_gem
    client = Habitat::Client.new("#{URL.sub('http://', "http://ci:#{ENV.fetch('DEPOT_TOKEN')}@")}/v1/depot")
    assert client.put_package(hart('acme/basic/1.0.0/20260101120000'))
  end

  def test_keys_travel_in_both_directions
    Dir.mktmpdir do |folder|
      [KEY, 'acme'].each do |name|
        file = @anonymous.fetch_key(name, folder)
        assert_equal "#{KEY}.pub", File.basename(file)
        assert_equal "SIG-PUB-1\n#{KEY}", File.read(file).lines.first(2).join.chomp
      end
    end
    assert_equal true, @depot.put_key('acme-20260202000000', File.join(FILES, 'acme-20260202000000.pub'))
    error = assert_raises(Habitat::UploadError) { @depot.put_key('acme-20260202000000', File.join(FILES, 'acme-20260202000000.pub')) }
    assert_equal 409, error.status
  end

  def test_the_file_of_a_secret_key_is_not_sent
    Dir.mktmpdir do |folder|
      file = File.join(folder, 'acme-20260303000000.sig.key')
      File.write(file, "SIG-SEC-1\nacme-20260303000000\n\nAAAA")
      assert_raises(ArgumentError) { @depot.put_key('acme-20260303000000', file) }
    end
  end

  def test_refusals_say_why
    release = 'acme/refused/1.0.0/20260101120000'
    refused(Habitat::UploadError, 401, 'unauthenticated', /token/) { @anonymous.put_package(hart(release)) }
    refused(Habitat::UploadError, 401, 'unauthenticated', /token/) { Habitat::Client.new(URL, token: 'wrong').put_package(hart(release)) }
    refused(Habitat::UploadError, 422, 'signature_invalid', /signature/) { @depot.put_package(File.join(FILES, 'forged.hart')) }
    refused(Habitat::UploadError, 422, 'hart_malformed', /hart/) { @depot.put_package(__FILE__) }
    @depot.put_package(hart(release))
    refused(Habitat::UploadError, 409, 'already_exists', /#{release}/) { @depot.put_package(File.join(FILES, 'other-bytes.hart')) }
    refused(Habitat::PromotionError, 401, 'unauthenticated', /token/) { @anonymous.promote_package(release, 'acceptance') }
    refused(Habitat::PromotionError, 404, 'view_absent', /aceptance/) { @depot.promote_package(release, 'aceptance') }
    refused(Habitat::PromotionError, 404, 'not_found', %r{acme/refused/9}) { @depot.promote_package('acme/refused/9/20260101120000', 'acceptance') }
    refused(Habitat::PromotionError, 403, 'refused', /spring cleaning/) { @depot.promote_package(release, 'delivered') }
    refused(Habitat::ShowError, 404, 'not_found', %r{no release of acme/nothing}) { @depot.show_package('acme/nothing') }
    refused(Habitat::DownloadError, 404, 'not_found', /acme/) { @depot.fetch_key('acme-20250101000000') }
  end

  def test_an_upload_that_is_refused_at_its_start_says_why_however_large_it_is
    large = hart('acme/large/1.0.0/20260101120000')
    refused(Habitat::UploadError, 401, 'unauthenticated', /token/) { @anonymous.put_package(large) }
  end

  def test_the_connection_gets_any_path
    answer = @anonymous.connection.get('views')
    assert_equal 200, answer.status
    assert_includes answer.body, 'acceptance'
    assert_equal 404, @anonymous.connection.get('pkgs/acme/nothing/latest').status
  end

  private

  def hart(release, target = 'x86_64-linux')
    File.join(FILES, "#{release.tr('/', '-')}-#{target}.hart")
  end

  def refused(error_class, status, code, reason, &block)
    error = assert_raises(error_class, &block)
    assert_equal [status, code], [error.status, error.code], error.message
    assert_match(/\ADepot returned #{status} on /, error.message)
    assert_match reason, error.message
  end
end
