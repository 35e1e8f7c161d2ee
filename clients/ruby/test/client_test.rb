# frozen_string_literal: true

require 'minitest/autorun'
require 'json'
require 'tmpdir'
require 'habitat/client'
require_relative 'strange_server'

# What a client does by itself, and with servers that are no depots or break off.
class ClientTest < Minitest::Test
  RELEASE = 'acme/app/1.2.0/20260101120000'
  HART = 'acme-app-1.2.0-20260101120000-x86_64-linux.hart'
  MIB = 1024 * 1024

  def test_an_ident_without_version_or_release_means_the_latest
    assert_equal 'core/zlib/latest', Habitat::PackageIdent.new('core', 'zlib').to_s
    assert_equal 'core/zlib/1.2.8/latest', Habitat::PackageIdent.parse('core/zlib/1.2.8').to_s
    assert_equal RELEASE, Habitat::PackageIdent.new(*RELEASE.split('/')).to_s
    assert_equal 'a/b%3F/1%2F..%20/2', Habitat::PackageIdent.new('a', 'b?', '1/.. ', '2').to_path
    assert_same Habitat::Client, Hab::Client
  end

  def test_other_arguments_are_refused_before_any_request
    client = Habitat::Client.new('http://127.0.0.1:1')
    ['zlib', '', 'a//b', 'a/b/c/d/e', '/a/b', '../..', 'a/.', nil].each do |ident|
      assert_raises(ArgumentError) { client.show_package(ident) }
    end
    ['a/b-20260101120000', '..', ''].each { |key| assert_raises(ArgumentError) { client.fetch_key(key) } }
    assert_raises(ArgumentError) { client.promote_package(RELEASE, '..') }
    assert_raises(ArgumentError) { client.put_key('acme', __FILE__) }
    ['ftp://host/', 'host:9636', 'http://', 'not a url', "http://ci:secret token@host"].each do |url|
      error = assert_raises(ArgumentError) { Habitat::Client.new(url) }
      refute_match(/secret/, error.full_message)
    end
  end

  def test_only_a_release_is_promoted
    error = assert_raises(Habitat::PromotionError) { Habitat::Client.new('http://127.0.0.1:1').promote_package('acme/app', 'stable') }
    assert_match(/fully qualified/, error.message)
    assert_kind_of RuntimeError, error # as the published gem raised
  end

  def test_a_url_without_v1_is_completed
    { 'http://host:9636' => 'http://host:9636/v1/depot', 'http://host/depot/' => 'http://host/depot/v1/depot',
      'http://host/v1' => 'http://host/v1', 'https://[::1]/v1/depot/' => 'https://[::1]/v1/depot',
      'http://host/v1/depot/views/union' => 'http://host/v1/depot/views/union' }.each do |given, expected|
      assert_equal expected, Habitat::Client.new(given).connection.url
      assert_equal given, Habitat::Client.new(given).depot
    end
  end

  def test_a_view_is_only_read
    client = Habitat::Client.new('http://127.0.0.1:1/v1/depot/views/union')
    assert_match(/URL of a view/, assert_raises(Habitat::UploadError) { client.put_package(__FILE__) }.message)
    assert_match(/URL of a view/, assert_raises(Habitat::UploadError) { client.put_key('acme-20260101120000', __FILE__) }.message)
    assert_match(/URL of a view/, assert_raises(Habitat::PromotionError) { client.promote_package(RELEASE, 'union') }.message)
  end

  def test_a_token_is_sent_and_never_shown
    refused = StrangeServer.answer('403 Forbidden')
    StrangeServer.open(refused, refused, refused) do |server|
      with_password = server.url.sub('http://', 'http://ci:se%40cret@')
      [Habitat::Client.new(server.url, token: "secret\n"), Habitat::Client.new(with_password), Habitat::Client.new(server.url)].each do |client|
        error = assert_raises(Habitat::ShowError) { client.show_package('acme/app') }
        refute_match(/secret|se%40cret/, error.message + client.inspect + client.connection.inspect)
      end
      sent = server.requests.map { |head| head[/^authorization: (.*)\r/i, 1] }
      assert_equal ['Bearer secret', "Basic #{['ci:se@cret'].pack('m0')}", nil], sent
    end
  end

  def test_the_environment_names_the_depot_with_its_token
    with_environment('HART_DEPOT_URL' => 'http://a', 'HART_DEPOT_TOKEN' => 't', 'HAB_BLDR_URL' => 'http://b', 'HAB_AUTH_TOKEN' => 'u') do
      assert_equal ['http://a/v1/depot', 'Bearer t'], target(Habitat::Client.new)
      assert_equal ['http://c/v1/depot', nil], target(Habitat::Client.new('http://c'))
    end
    with_environment('HAB_BLDR_URL' => 'http://b', 'HAB_AUTH_TOKEN' => 'u', 'HART_DEPOT_TOKEN' => 't') do
      assert_equal ['http://b/v1/depot', 'Bearer u'], target(Habitat::Client.new)
    end
    with_environment('HAB_BLDR_URL' => 'http://b') { assert_raises(ArgumentError) { Habitat::Client.new } }
  end

  def test_an_unreachable_depot_is_named
    listener = TCPServer.new('127.0.0.1', 0)
    url = "http://127.0.0.1:#{listener.addr[1]}"
    listener.close
    error = assert_raises(Habitat::ShowError) { Habitat::Client.new(url).show_package('acme/app') }
    assert_match(/#{url}.* refuses connections/, error.message)
    assert_nil error.status
  end

  def test_servers_that_are_no_depots_are_told_from_depots
    { StrangeServer.answer('200 OK', {}, '<html>') => /is it a depot/,
      StrangeServer.answer('200 OK', {}, '[{"ident":1}]') => /is it a depot/,
      StrangeServer.answer('302 Found', { 'Location' => 'https://elsewhere/' }) => %r{redirects to https://elsewhere/},
      StrangeServer.answer('502 Bad Gateway', { 'Content-Type' => 'text/html' }, '<html>') => /502 .*: Bad Gateway\z/,
      StrangeServer.answer('404 Not Found') => /404 .*: it does not exist there/,
      StrangeServer.answer('409 Conflict', {}, '{"code":9,"msg":"vt:origin-create:0"}') => /vt:origin-create:0/,
      StrangeServer.answer('500 Oh', {}, "x\xff" * MIB) => /500/,
      "SSH-2.0-OpenSSH\r\n" => /does not speak HTTP/, '' => /closed the connection/ }.each do |answer, expected|
      StrangeServer.open(answer) do |server|
        error = assert_raises(Habitat::ShowError) { Habitat::Client.new(server.url).show_package('acme/app') }
        assert_match expected, error.message
        assert_operator error.message.size, :<, 1000
      end
    end
  end

  def test_a_download_that_breaks_off_leaves_nothing
    cut = file_answer('x' * 100, 'Content-Length' => 200)
    chunked = "HTTP/1.1 200 OK\r\nX-Filename: #{HART}\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc"
    { cut => /only 100 of 200 bytes/, chunked => /closed the connection/,
      file_answer('x' * 100) => /damaged: its checksum/ }.each do |answer, expected|
      fetch(answer, 'y' * 100) do |folder, fetched|
        assert_match expected, assert_raises(Habitat::DownloadError, &fetched).message
        assert_empty Dir.children(folder)
      end
    end
  end

  def test_a_download_that_is_interrupted_leaves_nothing
    %w[INT TERM].each do |signal|
      stalls = lambda do |socket, _head|
        socket.write("HTTP/1.1 200 OK\r\nX-Filename: #{HART}\r\nContent-Length: 9\r\n\r\nabc")
        socket.read # until the client leaves
      end
      StrangeServer.open(shown('0' * 64), stalls) do |server|
        Dir.mktmpdir do |folder|
          program = "require 'habitat/client'; Habitat::Client.new('#{server.url}').fetch_package('acme/app', '#{folder}')"
          child = Process.spawn(RbConfig.ruby, '-I', File.join(__dir__, '../lib'), '-e', program, err: File::NULL)
          ended = Process.detach(child)
          Thread.pass until server.requests.size == 2 || !ended.alive?
          refute_empty Dir.children(folder)
          Process.kill(signal, child)
          ended.join
          assert_empty Dir.children(folder)
        end
      end
    end
  end

  def test_a_file_that_was_there_stays_if_the_download_fails
    fetch(file_answer('x' * 100, 'Content-Length' => 200), 'x' * 200) do |folder, fetched|
      File.write(File.join(folder, HART), 'old')
      assert_raises(Habitat::DownloadError, &fetched)
      assert_equal 'old', File.read(File.join(folder, HART))
    end
  end

  def test_a_depot_cannot_choose_where_a_file_goes
    ['../x.hart', '/tmp/x.hart', 'a/b.hart', '..\\x.hart', '.x.hart', 'x.hart.sh', 'c:x.hart', '.hart', '', nil].each do |name|
      fetch(file_answer('x', 'X-Filename' => name), 'x') do |folder, fetched|
        assert_match(/plain name/, assert_raises(Habitat::DownloadError, &fetched).message)
        assert_empty Dir.children(folder)
      end
    end
  end

  def test_errors_of_the_disk_are_not_called_errors_of_the_network
    fetch(file_answer('x'), 'x') do |folder, fetched|
      Dir.rmdir(folder)
      assert_raises(Errno::ENOENT, &fetched)
      Dir.mkdir(folder)
    end
    assert_raises(Errno::ENOENT) { Habitat::Client.new('http://127.0.0.1:1').put_package('/nowhere/a.hart') }
  end

  def test_files_are_not_held_in_memory
    big = 96 * MIB
    Dir.mktmpdir do |folder|
      file = File.join(folder, 'big.hart')
      File.open(file, 'wb') { |opened| opened.truncate(big) }
      read = 0
      receive = lambda do |socket, head|
        piece = +''
        read = head.bytesize - head.index("\r\n\r\n") - 4
        read += piece.bytesize while read < big && socket.readpartial(MIB, piece)
        socket.write(StrangeServer.answer('201 Created'))
      end
      send = lambda do |socket, _head|
        socket.write("HTTP/1.1 200 OK\r\nX-Filename: #{HART}\r\nContent-Length: #{big}\r\n\r\n")
        IO.copy_stream(file, socket)
      end
      StrangeServer.open(receive, shown(Habitat::Blake2b.file(file)), send) do |server|
        before = peak_bytes
        client = Habitat::Client.new(server.url)
        assert client.put_package(file)
        assert_equal big, read
        assert_equal big, File.size(client.fetch_package('acme/app', folder))
        assert_operator peak_bytes - before, :<, big / 3
      end
    end
  end

  private

  def file_answer(body, headers = {})
    StrangeServer.answer('200 OK', { 'X-Filename' => HART }.merge(headers).compact, body)
  end

  def shown(checksum)
    ident = %w[origin name version release].zip(RELEASE.split('/')).to_h
    StrangeServer.answer('200 OK', {}, JSON.generate('ident' => ident, 'checksum' => checksum))
  end

  # Yields a folder and a Proc that fetches a package, whose bytes should be +expected+, into it.
  def fetch(answer, expected)
    StrangeServer.open(shown(Habitat::Blake2b.new.update(expected).hexdigest), answer) do |server|
      Dir.mktmpdir { |folder| yield folder, -> { Habitat::Client.new(server.url).fetch_package('acme/app', folder) } }
    end
  end

  def target(client)
    [client.connection.url, client.connection.headers['Authorization']]
  end

  def with_environment(values)
    names = %w[HART_DEPOT_URL HART_DEPOT_TOKEN HART_DEPOT_TOKEN_FILE HAB_BLDR_URL HAB_AUTH_TOKEN]
    before = ENV.to_h.slice(*names)
    names.each { |name| ENV[name] = values[name] }
    yield
  ensure
    names.each { |name| ENV[name] = before[name] }
  end

  def peak_bytes
    File.read('/proc/self/status')[/^VmHWM:\s+(\d+)/, 1].to_i * 1024
  end
end
