# frozen_string_literal: true

# Runs all tests. Those of depot_test.rb need a depot, which `npm run test:ruby` starts.
Dir[File.join(__dir__, '*_test.rb')].sort.each { |file| require file }
