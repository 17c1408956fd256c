// The servers of Go: peer echo | datagram | hello. Prints its port.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const here = "127.0.0.1:0"

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", here)
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return listener
}

func serve(connection net.Conn, size int) {
	defer connection.Close()
	buffer := make([]byte, size)
	for {
		got, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:got]); err != nil {
			return
		}
	}
}

func streams(size int) {
	listener := listen()
	for {
		connection, err := listener.Accept()
		must(err)
		go serve(connection, size)
	}
}

func datagrams() {
	address, err := net.ResolveUDPAddr("udp", here)
	must(err)
	socket, err := net.ListenUDP("udp", address)
	must(err)
	fmt.Println(socket.LocalAddr().(*net.UDPAddr).Port)
	buffer := make([]byte, 65536)
	for {
		got, from, err := socket.ReadFromUDPAddrPort(buffer)
		must(err)
		socket.WriteToUDPAddrPort(buffer[:got], from)
	}
}

func hello() {
	must(http.Serve(listen(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "Hello World!\n")
	})))
}

func main() {
	switch os.Args[1] {
	case "echo":
		streams(4096)
	case "bulk":
		streams(65536)
	case "datagram":
		datagrams()
	case "hello":
		hello()
	}
}
