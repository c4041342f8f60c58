/* What getaddrinfo() of the C library that this is linked with makes of a name: one address a line. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  int error = getaddrinfo(argv[argc - 1], NULL, &hints, &found);
  if (error != 0) return printf("%s\n", error == EAI_NONAME ? "EAI_NONAME" : gai_strerror(error)), 1;
  for (; found != NULL; found = found->ai_next) {
    char text[NI_MAXHOST];
    getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    puts(text);
  }
  return 0;
}
