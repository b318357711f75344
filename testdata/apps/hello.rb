#!/usr/bin/ruby
# FastCGI by Debian's ruby-fcgi in pure Ruby, which raises an exception when it is pinged.
require 'fcgi'
FCGI.each { |r| r.out.print "Content-Type: text/plain\r\n\r\nhello from #{Process.pid}\n"; r.finish }
